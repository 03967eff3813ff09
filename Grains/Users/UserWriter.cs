using Actors.Core;
using Actors.Redis;
using Actors.WriteBehind;

namespace Actors.Users;

/// <summary>
/// Writes one user: a write is checked, applied and handed to write-behind in one turn, then acknowledged. Writes may overlap on
/// their way to the journal, but stay in order. Runs in turns of the user's grain only; other turns may run during any await.
/// </summary>
internal sealed class UserWriter(
    UserLoader loader, UserAcknowledger acknowledger, WriteBehindTable table, ActiveUsers users, ActiveUser account, Departure departure,
    ClusterClock clock)
{
    /// <summary>Merges a patch, or deletes the user if there is none.</summary>
    public async Task<WriteReceipt> WriteAsync(UserPatch? patch, WriteOptions options, CancellationToken cancellationToken)
    {
        // The version of an attempt with an unknown outcome.
        long? unknown = null;
        var (waits, isHeldAhead) = (0, false);

        // Pinned until the receipt: a user that is being written is not idle.
        account.Pin();
        try
        {
            UserValidation.Check(options);
            users.Admit();

            // Before the state is read, so that changes during the delay are seen below.
            await table.PaceAsync(options.Durability, cancellationToken);
            for (var attempt = 1; attempt <= UserLoader.MaxAttempts; attempt++)
            {
                var user = await loader.LoadToWriteAsync(cancellationToken);
                var begun = Begin(user, patch, options);
                if (begun.Earlier is { } earlier)
                {
                    // Null: its ownership was lost before it was written, so it may not have happened.
                    if (await acknowledger.WaitForAsync(user, earlier, options.Durability, cancellationToken) is { } repeated)
                        return new() { Version = earlier, Durability = repeated };
                    continue;
                }

                if (begun.Write is not { } write)
                {
                    // The checks must be repeated once there is room. This does not count as an attempt.
                    if (++waits > UserLoader.MaxAttempts) throw users.Refuse();
                    attempt--;
                    await HoldAsync(begun.Bytes, cancellationToken);
                    isHeldAhead = true;
                    continue;
                }

                // From here on the write cannot be cancelled: it may be in the journal at any moment.
                isHeldAhead = false;
                var version = write.Row.Version;

                // No need to wait if no earlier write is unanswered: nothing this write builds on can be refused and repeated.
                var isAtOnce = options.Durability == Durability.Memory && user.AreAllAnswered;
                var acknowledging = acknowledger.AcknowledgeAsync(user, begun.Next!, write, isAtOnce);
                user.Writing = acknowledging;

                // Complete already if the journal does not know the owner; then the outcome is known.
                if (isAtOnce && !acknowledging.IsCompleted) return new() { Version = version, Durability = Durability.Memory };
                var result = await acknowledging;
                switch (result.Outcome)
                {
                    case WriteOutcome.Reached or WriteOutcome.WrittenByNextOwner:
                        return new() { Version = version, Durability = result.Durability };
                    case WriteOutcome.LeftInJournal:
                        // The next load includes the write. Repeating it would apply it twice.
                        return new() { Version = version, Durability = await ReachAfreshAsync(version, options.Durability) };
                    case WriteOutcome.Parked:
                        throw new WriteParkedException(loader.Id, version, result.Reason!);
                    case WriteOutcome.Unconfirmed:
                        throw UserErrors.Unconfirmed(result.Reason!);
                    case WriteOutcome.Unknown:
                        // If it was written, the next load has its request id.
                        unknown = options.RequestId is null ? throw UserErrors.Unknown(loader.Id, version) : version;
                        break;
                }
            }

            throw UserErrors.Contested(loader.Id);
        }
        catch (Exception error) when (unknown is not null && UserErrors.SaysNotDone(error))
        {
            // The error claims that nothing was done, which is not certain.
            throw UserErrors.Unknown(loader.Id, unknown.Value);
        }
        catch (OutOfMemoryException)
        {
            // In spite of the budgets. The outcome is unknown.
            throw UserErrors.OutOfMemory(loader.Id);
        }
        finally
        {
            // Release the memory of a write that failed.
            if (isHeldAhead) loader.CountMemory();
            account.Unpin();
        }
    }

    /// <summary>Checks a write, applies it and hands it over. Synchronous, because no other call may run in between.</summary>
    private Attempt Begin(OwnedUser user, UserPatch? patch, WriteOptions options)
    {
        var (accepted, now) = (user.Accepted, clock.Read());
        if (accepted.VersionOf(options.RequestId, now) is { } earlier) return new() { Earlier = earlier };
        if (options.ExpectedVersion is { } expected && expected != accepted.ExistingVersion)
        {
            loader.ThrowUnlessMember();
            throw new VersionConflictException(loader.Id, expected, accepted.ExistingVersion);
        }

        if (patch is null && accepted.User is null)
        {
            loader.ThrowUnlessMember();
            return new() { Earlier = accepted.Version };
        }

        table.Admit(options.Durability);
        var next = patch is null ? accepted.Delete(options.RequestId, now) : accepted.Apply(loader.Id, patch, options.RequestId, now);
        if (next.User is not null) UserValidation.Check(next.User);
        var row = UserDocument.ToRow(user.Owner, next);
        UserValidation.CheckSize(row.State.Length);
        var bytes = UserSize.Of(next);
        if (!account.TryHold(bytes)) return new() { Bytes = bytes };
        try
        {
            var write = table.Begin(user.Owner, row, options.Durability);

            // The write was not refused, so it is accepted.
            user.Accept(next);
            return new() { Write = write, Next = next };
        }
        catch
        {
            loader.CountMemory();
            throw;
        }
    }

    /// <summary>Waits for room for <paramref name="bytes"/>. If the caller stops waiting, the room is released.</summary>
    private async Task HoldAsync(long bytes, CancellationToken cancellationToken)
    {
        var holding = account.HoldAsync(bytes);
        try
        {
            await departure.WaitAsync(holding, users.Refuse, cancellationToken);
        }
        catch when (!holding.IsFaulted)
        {
            // Releases the room whenever it is granted; it handles its own failures.
            _ = GiveBackAsync(holding);
            throw;
        }
    }

    private async Task GiveBackAsync(Task holding)
    {
        await holding.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        loader.CountMemory();
    }

    /// <summary>Waits under the next ownership for a write that was left in the journal.</summary>
    private async Task<Durability> ReachAfreshAsync(long version, Durability requested)
    {
        try
        {
            for (var attempt = 1; attempt <= UserLoader.MaxAttempts; attempt++)
            {
                var user = await loader.LoadAsync(CancellationToken.None);
                if (await acknowledger.WaitForAsync(user, version, requested, CancellationToken.None) is { } reached) return reached;
            }
        }
        catch (Exception error) when (UserErrors.SaysNotDone(error))
        {
            // Hide this error: the caller would repeat the write, which stands, and apply it twice.
        }

        throw UserErrors.Unknown(loader.Id, version);
    }

    /// <summary>An attempt to begin a write.</summary>
    private readonly record struct Attempt
    {
        /// <summary>The version of an earlier write that this one repeats.</summary>
        public long? Earlier { get; init; }

        /// <summary>The memory that the state needs and that must be waited for, if there is no write.</summary>
        public long Bytes { get; init; }

        /// <summary>The write that has begun.</summary>
        public PendingWrite? Write { get; init; }

        /// <summary>The state that is being written.</summary>
        public UserState? Next { get; init; }
    }
}
