using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// One write that has begun: its row goes to the journal, then to the database, even if its caller no longer waits. It holds the
/// room that was reserved for the row until the journal has answered; then the queue counts the row, or never will.
/// </summary>
/// <remarks>
/// Every durability goes through the journal: only the journal knows whether the owner may still write, so no write bypasses a
/// later owner. A row that the journal could not take is queued for the database instead. No await here resumes on the grain's
/// scheduler: the grain needs a turn only for the result.
/// </remarks>
internal sealed class PendingWrite(FlushQueue queue, Ownership owner, Row row, Durability durability) : PendingAppend(row)
{
    // Both are written by the answer and read once that is complete; the second also by the writer, which waits one call at a time.
    private bool _isOutdated;
    private Task<CommitResult>? _committing;

    // Interlocked: 1 once the room is released.
    private int _released;

    private bool IsJournaled => Answered.Result == AppendOutcome.Journaled;

    /// <summary>
    /// Returns once the row has reached at least the durability requested, or cannot reach it. Usually known as soon as the journal
    /// has answered; waits for the commit at most for the commit timeout.
    /// </summary>
    public ValueTask<WriteResult> ReachAsync()
    {
        if (!Answered.IsCompletedSuccessfully) return new(AnsweredAndReachedAsync());
        return AfterAnswer() is { } result ? new(result) : new(CommittedInTimeAsync());
    }

    /// <summary>As <see cref="ReachAsync"/>, but waits for the commit without a time limit.</summary>
    public async Task<WriteResult> CommittedAsync()
    {
        var outcome = await Answered.ConfigureAwait(false);
        return LostAt(outcome) ?? AfterCommit(await Committing().ConfigureAwait(false), Durability.Database);
    }

    /// <summary>Releases the reserved room; only the first call does.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0) queue.Release(Row);
    }

    /// <inheritdoc/>
    protected override void OnAnswer(AppendOutcome outcome)
    {
        try
        {
            // Answers come in order, so later rows of this owner see this.
            if (outcome == AppendOutcome.Fenced) owner.Lose();

            // A journaled row is in the queue already: JournalBatch queued it before it answered. A fenced row never gets there.
            if (outcome is not (AppendOutcome.Unavailable or AppendOutcome.Unknown)) return;

            // After a loss, a later owner may have written, and the row may build on one that was refused and is repeated. Then it
            // must not reach the database.
            _isOutdated = owner.IsLost;
            if (_isOutdated) return;
            queue.Enqueue(Row);

            // Ask at once: the queue remembers a refusal for the calls that wait for it, and no later one.
            if (durability != Durability.Memory) Committing();
        }
        finally
        {
            Release();
        }
    }

    private Task<CommitResult> Committing() => _committing ??= queue.CommittedAsync(Row.Key, Row.Version);

    private async Task<WriteResult> AnsweredAndReachedAsync()
    {
        await Answered.ConfigureAwait(false);
        return await ReachAsync().ConfigureAwait(false);
    }

    private WriteResult? AfterAnswer()
    {
        if (LostAt(Answered.Result) is { } lost) return lost;
        return durability == Durability.Memory || (durability == Durability.Journal && IsJournaled && !queue.IsWritingThrough)
            ? WriteResult.Reached(durability, IsJournaled)
            : null;
    }

    private WriteResult? LostAt(AppendOutcome outcome) =>
        outcome != AppendOutcome.Fenced && !_isOutdated ? null
        : new(outcome == AppendOutcome.Unknown ? WriteOutcome.Unknown : WriteOutcome.NotWritten);

    private async Task<WriteResult> CommittedInTimeAsync()
    {
        TimeSpan? limit = durability == Durability.Journal && IsJournaled ? Backpressure.MaxThrough : null;
        return AfterCommit(await queue.InTimeAsync(Committing(), Row.Key, limit, CancellationToken.None).ConfigureAwait(false), durability);
    }

    private WriteResult AfterCommit(CommitResult commit, Durability needed)
    {
        switch (commit.Outcome)
        {
            case CommitOutcome.Committed:
                return WriteResult.Reached(Durability.Database, IsJournaled);
            case CommitOutcome.Parked when needed == Durability.Journal:
            case CommitOutcome.Unconfirmed when needed == Durability.Journal && IsJournaled:
                // A parked row is in the database, outside the table: no less durable than in the journal. An unconfirmed one is
                // journaled, as requested; the lane retries and reports its commit.
                return WriteResult.Reached(needed, IsJournaled);
            case CommitOutcome.Fenced:
                owner.Lose();
                return AfterRefusal(commit.StoredVersion);
            default:
                return new(commit.Outcome == CommitOutcome.Parked ? WriteOutcome.Parked : WriteOutcome.Unconfirmed) { Reason = commit.Reason };
        }
    }

    private WriteResult AfterRefusal(long storedVersion) => Answered.Result switch
    {
        // The next owner found the row in the journal, and its later version includes this write. Writing it again would apply it
        // twice.
        AppendOutcome.Journaled when storedVersion > Row.Version =>
            new(WriteOutcome.WrittenByNextOwner) { Durability = Durability.Database, IsJournaled = true },

        // The journal keeps the row, and the next owner builds on it.
        AppendOutcome.Journaled when storedVersion == Row.Version => new(WriteOutcome.LeftInJournal) { IsJournaled = true },
        AppendOutcome.Unknown when storedVersion >= Row.Version => new(WriteOutcome.Unknown),
        _ => new(WriteOutcome.NotWritten),
    };
}
