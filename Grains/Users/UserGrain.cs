using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace Actors.Users;

/// <summary>
/// One user in memory. A write is validated and applied in one turn, journaled together with the writes of other users, and
/// acknowledged. Writes to one user may overlap on their way to the journal, but stay in order.
/// </summary>
/// <remarks>
/// The grain is reentrant: only its turns access the fields, one at a time, but other calls may run during any await. Check,
/// apply and append must be atomic, so no await separates them.
/// </remarks>
[Reentrant]
[GrainType("user")]
internal sealed partial class UserGrain(
    WriteBehindTable table, ActiveUsers users, MembershipLease lease, ReadCounters reads, ClusterClock clock, ILogger<UserGrain> logger)
    : Grain, IUserGrain, IHoldsCalls, IDisposable
{
    /// <summary>The maximum number of attempts of a write that loses its ownership to another activation.</summary>
    private const int MaxAttempts = 5;

    // Null until loaded, and after the ownership is lost.
    private Ownership? _owner;
    private Task? _loading;
    private bool _isPossiblyStale;

    // Completes once no former owner on a silo that was declared dead can answer from memory.
    private Task _writable = Task.CompletedTask;

    // The state with all accepted writes, on which the next write builds; and the state with all acknowledged writes, which
    // readers see.
    private UserState _accepted = UserState.None;
    private UserState _acknowledged = UserState.None;

    // The last version known to be in the journal, and the last write in flight.
    private long _journaled;
    private Task _writing = Task.CompletedTask;

    // The version up to which the journal has answered, and the number of writes that wait for its answer.
    private long _answered;
    private int _unanswered;

    // The memory account, and the limit on how long calls may wait once the deactivation begins.
    private readonly Departure _departure = new();
    private ActiveUser _memory = null!;

    private string Id => this.GetPrimaryKeyString();

    public async Task<User?> GetAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        var user = _acknowledged.User;
        var isMember = lease.IsValid;
        if (user is null && !isMember) throw MaybeOutdated();
        return user is not null && (_isPossiblyStale || !isMember) ? user with { IsPossiblyStale = true } : user;
    }

    public Task<WriteReceipt> UpdateAsync(UserPatch patch, WriteOptions? options, CancellationToken cancellationToken)
    {
        UserValidation.Check(patch);
        return WriteAsync(patch, options ?? WriteOptions.Default, cancellationToken);
    }

    public Task<WriteReceipt> DeleteAsync(WriteOptions? options, CancellationToken cancellationToken) =>
        WriteAsync(patch: null, options ?? WriteOptions.Default, cancellationToken);

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
        {
            var owner = await LoadAsync(cancellationToken);
            if (await ReachAsync(owner, _acknowledged.Version, Durability.Database, cancellationToken) is not null) return;
        }

        throw Contested();
    }

    public async Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken)
    {
        UserValidation.Check(new WriteOptions { Durability = durability });
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
        {
            var owner = await LoadAsync(cancellationToken);
            if (version > _accepted.Version) ThrowUnlessMember();
            if (version < 0 || version > _accepted.Version)
                throw new InvalidUserException($"Version {version} of user {WellFormedText.Quote(Id)} was not written; allowed are 0 to {_accepted.Version}.");
            if (await ReachAsync(owner, version, durability, cancellationToken) is not null) return;
        }

        throw Contested();
    }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _memory = new ActiveUser(users, GrainContext);
        return Task.CompletedTask;
    }

    void IHoldsCalls.ReleaseHeldCalls() => _departure.Begin();

    /// <summary>Runs at the end of the activation, with or without <see cref="OnDeactivateAsync"/>.</summary>
    public void Dispose()
    {
        _memory?.Dispose();
        _departure.Dispose();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // Writes acknowledged in memory may still be in flight to the journal.
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        if (_owner is not { } owner) return;

        // Commit writes that bypassed the journal and remove older cached copies; otherwise the next owner would miss them. Do the
        // same for all writes while the next owner may be a silo that cannot read the journal. If this fails, keep the ownership:
        // an owner that takes over a key that was not released reads the database.
        var isJournalEnough = _acknowledged.Version <= _journaled && !table.IsAnyOtherCutOff;
        // At shutdown there may be thousands of these; one log line then counts the rows that remain in the queue.
        var level = reason.ReasonCode == DeactivationReasonCode.ShuttingDown ? LogLevel.Debug : LogLevel.Warning;
        if (!isJournalEnough && !await CommitBeforeReleaseAsync(level, cancellationToken)) return;

        // If the journal is lost or unreachable, commit as well: the next owner may be on another silo, with only the database.
        if (!await table.ReleaseAsync(owner) && await CommitBeforeReleaseAsync(level, cancellationToken)) await table.ReleaseAsync(owner);
    }

    /// <summary>Merges a patch, or deletes the user if there is none.</summary>
    private async Task<WriteReceipt> WriteAsync(UserPatch? patch, WriteOptions options, CancellationToken cancellationToken)
    {
        // The version of an attempt with an unknown outcome.
        long? unknown = null;
        var (waits, isHeldAhead) = (0, false);

        // Pinned until the receipt: a user that is being written is not idle.
        _memory.Pin();
        try
        {
            UserValidation.Check(options);
            users.Admit();

            // Before the state is read, so that changes during the delay are seen below.
            await table.PaceAsync(options.Durability, cancellationToken);
            for (var attempt = 1; attempt <= MaxAttempts; attempt++)
            {
                var owner = await LoadToWriteAsync(cancellationToken);

                // No await from here until the row is appended.
                var now = clock.Read();
                if (_accepted.VersionOf(options.RequestId, now) is { } earlier)
                {
                    if (await RepeatAsync(owner, earlier, options.Durability, cancellationToken) is { } receipt) return receipt;
                    continue;
                }

                if (options.ExpectedVersion is { } expected && expected != _accepted.ExistingVersion)
                {
                    ThrowUnlessMember();
                    throw new VersionConflictException(Id, expected, _accepted.ExistingVersion);
                }

                if (patch is null && _accepted.User is null)
                {
                    ThrowUnlessMember();
                    if (await RepeatAsync(owner, _accepted.Version, options.Durability, cancellationToken) is { } receipt) return receipt;
                    continue;
                }

                table.Admit(options.Durability);
                var next = patch is null ? _accepted.Delete(options.RequestId, now) : _accepted.Apply(Id, patch, options.RequestId, now);
                if (next.User is not null) UserValidation.Check(next.User);
                var row = UserDocument.ToRow(owner, next);
                UserValidation.CheckSize(row.State.Length);
                var size = UserSize.Of(next);
                if (!_memory.TryHold(size))
                {
                    // The checks must be repeated once there is room. This does not count as an attempt.
                    if (++waits > MaxAttempts) throw users.Refuse();
                    attempt--;
                    await HoldAsync(size, cancellationToken);
                    isHeldAhead = true;
                    continue;
                }

                isHeldAhead = true;
                var appending = table.AppendAsync(row);

                // The append was not refused, so the write is accepted. No other call runs before this point.
                _accepted = next;
                isHeldAhead = false;
                if (options.Durability == Durability.Memory && _unanswered == 0)
                {
                    // No need to wait: no earlier write is unanswered, so nothing this write builds on can be refused and repeated.
                    Acknowledge(owner, next, isJournaled: false);
                    _writing = AnswerAsync(owner, next, row, options, appending);
                    return new() { Version = next.Version, Durability = Durability.Memory };
                }

                var writing = AcknowledgeAsync(owner, next, row, options, appending);
                _writing = writing;

                // From here on the write cannot be cancelled: it may be in the journal at any moment.
                try
                {
                    if (await writing is { } reached) return new() { Version = next.Version, Durability = reached };
                }
                catch (OwnershipLostException lost) when (lost.MayBeWritten)
                {
                    // If it was written, the next load has its request id.
                    unknown = next.Version;
                }
                catch (OwnershipLostException)
                {
                    // The write is in the journal, so the next load includes it. Repeating it would apply it twice.
                    return new() { Version = next.Version, Durability = await ReachAfreshAsync(next.Version, options.Durability) };
                }
            }

            throw Contested();
        }
        catch (Exception error) when (unknown is not null && SaysNotDone(error))
        {
            // The error claims that nothing was done, which is not certain.
            throw Unknown(unknown.Value);
        }
        catch (OutOfMemoryException)
        {
            // In spite of the budgets. The outcome is unknown.
            throw new StorageUnavailableException("memory", $"The silo of user {WellFormedText.Quote(Id)} is out of memory. The write may still take effect.") { MayHaveTakenEffect = true };
        }
        finally
        {
            // Release the memory of a write that failed.
            if (isHeldAhead) CountAccepted();
            _memory.Unpin();
        }
    }

    private void CountAccepted() => _memory.Hold(UserSize.Of(_accepted));

    /// <summary>Waits for room for <paramref name="size"/>. If the caller stops waiting, the room is released.</summary>
    private async Task HoldAsync(long size, CancellationToken cancellationToken)
    {
        var holding = _memory.HoldAsync(size);
        try
        {
            await _departure.WaitAsync(holding, users.Refuse, cancellationToken);
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
        CountAccepted();
    }

    /// <summary>
    /// The receipt of a write that was accepted before. Null if its ownership was lost before it was written, so it may not have
    /// happened.
    /// </summary>
    private async Task<WriteReceipt?> RepeatAsync(Ownership owner, long version, Durability durability, CancellationToken cancellationToken) =>
        await ReachAsync(owner, version, durability, cancellationToken) is { } reached
            ? new() { Version = version, Durability = reached }
            : null;

    /// <summary>
    /// Makes <paramref name="next"/> visible to readers once it is written, even if the caller no longer waits. Returns null if the
    /// ownership was lost and nothing was written.
    /// </summary>
    /// <exception cref="OwnershipLostException">
    /// The ownership was lost. Either the write is in the journal only, or it may be written and its request id can be looked up.
    /// </exception>
    private async Task<Durability?> AcknowledgeAsync(
        Ownership owner, UserState next, Row row, WriteOptions options, Task<AppendOutcome> appending)
    {
        _memory.Pin();
        _unanswered++;
        var outcome = await appending;
        _unanswered--;
        Answered(owner, next);

        // It builds on a write that was refused and is repeated, so it must not reach the database.
        var isOutdated = owner != _owner && outcome != AppendOutcome.Journaled;
        try
        {
            var writing = table.WrittenAsync(row, isOutdated ? AppendOutcome.Fenced : outcome, options.Durability);
            var written = writing.IsCompleted ? await writing : await CommittedAsync(writing.AsTask(), next.Version);
            Acknowledge(owner, next, written.IsJournaled);
            table.Counters.Acknowledged(written.Durability);
            return written.Durability;
        }
        catch (OwnershipLostException lost)
        {
            GiveUp(owner);
            if (lost.IsLeftInJournal) throw;
            var isUnknown = lost.MayBeWritten || (isOutdated && outcome == AppendOutcome.Unknown);
            if (isUnknown) throw options.RequestId is null ? Unknown(next.Version) : new OwnershipLostException(Id) { MayBeWritten = true };
            if (!lost.IsWritten) return null;
            table.Counters.Acknowledged(Durability.Database);
            return Durability.Database;
        }
        catch (RowParkedException parked)
        {
            // The write is durable, though not in the table.
            Acknowledge(owner, next, isJournaled: false);
            throw new WriteParkedException(Id, next.Version, parked.Reason);
        }
        catch (StorageUnavailableException)
        {
            // The row still waits in the queue and may be committed later. That task handles its own failures.
            _ = AcknowledgeLaterAsync(owner, next);
            throw;
        }
        finally
        {
            _memory.Unpin();
        }
    }

    /// <summary>Completes a write that was acknowledged in memory: it still goes to the journal.</summary>
    private async Task AnswerAsync(Ownership owner, UserState next, Row row, WriteOptions options, Task<AppendOutcome> appending)
    {
        _memory.Pin();
        try
        {
            var outcome = await appending;
            Answered(owner, next);

            // If the ownership was lost, a later owner may have written, so this row must not reach the database.
            var isOutdated = owner != _owner && outcome != AppendOutcome.Journaled;
            var written = await table.WrittenAsync(row, isOutdated ? AppendOutcome.Fenced : outcome, options.Durability);
            Acknowledge(owner, next, written.IsJournaled);
            table.Counters.Acknowledged(Durability.Memory);
        }
        catch (OwnershipLostException)
        {
            LogMemoryLost(logger, Id, next.Version);
            GiveUp(owner);
        }
        finally
        {
            _memory.Unpin();
        }
    }

    private void Answered(Ownership owner, UserState next)
    {
        if (owner == _owner) _answered = Math.Max(_answered, next.Version);
    }

    private async Task<Durability> ReachAfreshAsync(long version, Durability durability)
    {
        try
        {
            for (var attempt = 1; attempt <= MaxAttempts; attempt++)
            {
                var owner = await LoadAsync(CancellationToken.None);
                if (await ReachAsync(owner, version, durability, CancellationToken.None) is { } reached) return reached;
            }
        }
        catch (Exception error) when (SaysNotDone(error))
        {
            // Hide this error: the caller would repeat the write, which stands, and apply it twice.
        }

        throw Unknown(version);
    }

    private async Task<bool> CommitBeforeReleaseAsync(LogLevel level, CancellationToken cancellationToken)
    {
        // Limited, because calls for the next activation wait for this one.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(2 * Departure.Grace);
        try
        {
            return await table.CommittedAndUncachedAsync(Id, _acknowledged.Version, limit.Token);
        }
        catch (Exception error) when (error is StorageUnavailableException or OwnershipLostException or OperationCanceledException)
        {
            LogLeftInMemory(logger, level, Id, error.Message);
            return false;
        }
    }

    private async Task AcknowledgeLaterAsync(Ownership owner, UserState next)
    {
        try
        {
            await table.CommittedAsync(owner.Key, next.Version);
            Acknowledge(owner, next, isJournaled: false);
        }
        catch (OwnershipLostException)
        {
            GiveUp(owner);
        }
        catch (Exception error) when (error is RowParkedException or StorageUnavailableException)
        {
            // The row is in the database; it is only unknown whether in the table or parked.
            Acknowledge(owner, next, isJournaled: false);
        }
    }

    private void Acknowledge(Ownership owner, UserState next, bool isJournaled)
    {
        if (owner != _owner) return;
        if (next.Version > _acknowledged.Version) _acknowledged = next;
        if (isJournaled) _journaled = Math.Max(_journaled, next.Version);
    }

    /// <summary>
    /// Returns once <paramref name="version"/>, accepted under <paramref name="owner"/>, has reached at least
    /// <paramref name="durability"/>. Null if that ownership was lost before.
    /// </summary>
    private async Task<Durability?> ReachAsync(Ownership owner, long version, Durability durability, CancellationToken cancellationToken)
    {
        const ConfigureAwaitOptions IgnoreFailure =
            ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing;
        _memory.Pin();
        try
        {
            while (owner == _owner && (_acknowledged.Version < version || _answered < version) && !_writing.IsCompleted)
            {
                // A cancelled wait would return at once, again and again.
                await _writing.WaitAsync(cancellationToken).ConfigureAwait(IgnoreFailure);
                cancellationToken.ThrowIfCancellationRequested();
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (owner != _owner) return null;
            if (durability == Durability.Memory) return durability;
            if (durability == Durability.Journal && version <= _journaled) return durability;
            await _departure.WaitAsync(table.CommittedAsync(Id, version, cancellationToken), () => Departing(version), cancellationToken);
            return Durability.Database;
        }
        catch (RowParkedException parked)
        {
            // A parked row is no less durable than a journaled one.
            return durability == Durability.Journal ? durability : throw new WriteParkedException(Id, version, parked.Reason);
        }
        catch (OwnershipLostException)
        {
            GiveUp(owner);
            return null;
        }
        finally
        {
            _memory.Unpin();
        }
    }

    private async Task<WrittenRow> CommittedAsync(Task<WrittenRow> writing, long version)
    {
        await _departure.WaitAsync(writing, () => Departing(version), CancellationToken.None);
        return await writing;
    }

    /// <summary>
    /// The ownership under which the state in memory may be read and written; claims the key and loads the state if there is none.
    /// A silo that was paused answers nothing from memory until it has verified its membership.
    /// </summary>
    /// <exception cref="SiloEvictedException">This silo was declared dead.</exception>
    private async ValueTask<Ownership> LoadAsync(CancellationToken cancellationToken)
    {
        reads.Count(ReadLayer.Memory, isHit: _owner is not null);
        while (true)
        {
            var owner = await LoadOwnerAsync(cancellationToken);
            if (lease.IsValid) return owner;

            // Other calls run meanwhile, and the ownership may be lost.
            await lease.EnsureNotEvictedAsync();
            if (owner == _owner) return owner;
        }
    }

    /// <summary>Like <see cref="LoadAsync"/>, but also waits until the state may be changed.</summary>
    private async ValueTask<Ownership> LoadToWriteAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var owner = await LoadAsync(cancellationToken);
            if (_writable.IsCompleted) return owner;
            await _writable.WaitAsync(cancellationToken);
        }
    }

    private async ValueTask<Ownership> LoadOwnerAsync(CancellationToken cancellationToken)
    {
        _memory.Use();

        // A user that was loaded without the journal is loaded again once the journal is back.
        var isOutdated = _owner is { IsWithoutJournal: true } && table.IsJournaling;
        while (_owner is null || isOutdated || _loading is { IsCompleted: false })
        {
            UserLimits.ValidateId(Id);

            // Single flight: one load serves all waiting calls, and none of them can cancel it.
            if (_loading is null or { IsCompleted: true }) _loading = LoadOnceAsync();
            isOutdated = false;
            await _departure.WaitAsync(_loading, NotLoaded, cancellationToken);
        }

        return _owner;
    }

    private async Task LoadOnceAsync()
    {
        _memory.Pin();
        try
        {
            // Let the writes of a current owner complete. No new write begins, because all calls wait for this load.
            await _writing.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

            // A silo that was declared dead must not take users from live silos. At the latest it learns this after the claim, and
            // then writes nothing under it.
            await lease.EnsureNotEvictedAsync();

            // A user in memory already has its room.
            if (_owner is not null)
            {
                await OpenAsync();
                return;
            }

            await _memory.BeginLoadAsync();
            try
            {
                await OpenAsync();
            }
            finally
            {
                _memory.EndLoad();
            }
        }
        catch (Exception error) when (error is StorageUnavailableException or OverloadedException && _owner is not null)
        {
            // Keep the state in memory.
        }
        catch (Exception error) when (error is OverloadedException or OutOfMemoryException)
        {
            // An activation without a user only takes memory.
            DeactivateOnIdle();
            throw error as OverloadedException ?? users.Refuse();
        }
        finally
        {
            _memory.Unpin();
        }
    }

    private async Task OpenAsync()
    {
        // Writes acknowledged under a lost ownership are in the table, the journal or this silo's queue. A cached copy may be
        // older if Redis has only just come back.
        var opened = await table.OpenAsync(Id, atLeast: _acknowledged.Version, CancellationToken.None);
        _accepted = _acknowledged = opened.Row is { } row ? UserDocument.FromRow(row) : UserState.None;
        _isPossiblyStale = opened.IsPossiblyStale;
        _writable = opened.Writable;
        _journaled = 0;
        _answered = _accepted.Version;
        _owner = opened.Owner;
        _memory.Hold(UserSize.Of(_accepted));
    }

    /// <summary>Ends a lost ownership: the next call claims and loads again, on the activation that is left.</summary>
    private void GiveUp(Ownership owner)
    {
        if (owner != _owner) return;
        LogOwnershipLost(logger, Id, owner.Epoch);
        _owner = null;
        DeactivateOnIdle();
    }

    /// <summary>Guards answers that depend on the state in memory and cannot be marked as possibly stale.</summary>
    /// <exception cref="StorageUnavailableException">It is unknown whether this silo is still a member.</exception>
    private void ThrowUnlessMember()
    {
        if (!lease.IsValid) throw MaybeOutdated();
    }

    // These errors tell the caller of a write that it may be retried; some say explicitly that nothing was done.
    private static bool SaysNotDone(Exception error) => error is SiloEvictedException or OverloadedException or StorageUnavailableException;

    private StorageUnavailableException Unknown(long version) => new(
        "Redis", $"Redis failed and user {WellFormedText.Quote(Id)} moved while version {version} was being written; the outcome is unknown."
            + $" Writes with a {nameof(WriteOptions.RequestId)} can be retried safely.")
    {
        MayHaveTakenEffect = true,
    };

    private StorageUnavailableException MaybeOutdated() => new(
        "Redis", $"User {WellFormedText.Quote(Id)} may have changed on another silo, and this answer cannot be marked as possibly stale:"
            + " neither the membership table nor the other silos confirm that this silo is still a member. Nothing was done.");

    // The rows still wait for their commit in this silo's queue and, if Redis has them, in the journal: only the call ends.
    private StorageUnavailableException Departing(long version) => new(
        "the database", $"User {WellFormedText.Quote(Id)} is leaving this silo, and the database did not commit version {version} within"
            + $" {Departure.Grace.TotalSeconds:0} s. It may still do so; ask again.")
    {
        MayHaveTakenEffect = true,
    };

    private StorageUnavailableException NotLoaded() => new(
        "Redis and the database", $"User {WellFormedText.Quote(Id)} is leaving this silo and was not loaded within"
            + $" {Departure.Grace.TotalSeconds:0} s. Try again.");

    private StorageUnavailableException Contested() =>
        new("Redis", $"Other activations claimed user {WellFormedText.Quote(Id)} {MaxAttempts} times in a row; try again.");

    [LoggerMessage(EventId = 2003, Message =
        "User '{Id}' was deactivated with a write that is only in this silo's memory, so the next activation may not find it: {Reason}")]
    private static partial void LogLeftInMemory(ILogger logger, LogLevel level, string id, string reason);

    [LoggerMessage(EventId = 2004, Level = LogLevel.Warning, Message =
        "Version {Version} of user '{Id}', acknowledged in memory only, is lost because another activation has taken over the user")]
    private static partial void LogMemoryLost(ILogger logger, string id, long version);

    [LoggerMessage(EventId = 2005, Level = LogLevel.Information, Message = "User '{Id}' lost its ownership (epoch {Epoch}) to another activation")]
    private static partial void LogOwnershipLost(ILogger logger, string id, long epoch);
}
