using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace Actors.Users;

/// <summary>
/// One user in memory. A write is checked and applied in one turn, journaled together with the writes of other users, and
/// acknowledged; writes to one user overlap on their way to the journal, and stay in order there.
/// </summary>
/// <remarks>
/// The grain is re-entrant: all fields are touched by its turns only, one at a time, but any await may let another call
/// run. What must not be torn apart (check the version, apply, hand over) therefore has no await in between.
/// </remarks>
[Reentrant]
[GrainType("user")]
internal sealed partial class UserGrain(
    WriteBehindTable table, ActiveUsers users, MembershipLease lease, ReadCounters reads, ClusterClock clock, ILogger<UserGrain> logger)
    : Grain, IUserGrain, IHoldsCalls, IDisposable
{
    /// <summary>How often a write is repeated whose ownership was lost to another activation.</summary>
    private const int MaxAttempts = 5;

    // Null until loaded, and again once the ownership is lost.
    private Ownership? _owner;
    private Task? _loading;
    private bool _isPossiblyStale;

    // Ends once a former owner, on a silo that was declared dead, cannot answer from memory any more.
    private Task _writable = Task.CompletedTask;

    // The state with every write applied, and the state with every acknowledged write applied: what the next write builds
    // on, and what readers see.
    private UserState _accepted = UserState.None;
    private UserState _acknowledged = UserState.None;

    // The last version known to be in the journal, and the last write on its way.
    private long _journaled;
    private Task _writing = Task.CompletedTask;

    // Up to where the journal has answered, and how many writes wait for its answer before they are acknowledged.
    private long _answered;
    private int _unanswered;

    // Its place in memory, from the activation on, and how long calls may wait once that is to end.
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

    /// <summary>The activation has ended, with or without <see cref="OnDeactivateAsync"/>.</summary>
    public void Dispose()
    {
        _memory?.Dispose();
        _departure.Dispose();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // What was acknowledged in memory may still be on its way to the journal.
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        if (_owner is not { } owner) return;

        // What went past the journal goes to the database first, and older copies out of the cache: the next owner would
        // not find it otherwise. So does all while a silo that cannot read the journal may be the next. If that fails the key
        // is not released: an owner that takes it over from another that did not let go reads the database.
        var isJournalEnough = _acknowledged.Version <= _journaled && !table.IsAnyOtherCutOff;
        // At a stop there may be thousands of them; what is left in the queue then is counted in one line.
        var level = reason.ReasonCode == DeactivationReasonCode.ShuttingDown ? LogLevel.Debug : LogLevel.Warning;
        if (!isJournalEnough && !await CommitBeforeReleaseAsync(level, cancellationToken)) return;

        // So does all the rest where the journal is lost or away: the next owner may be on another silo, and has only the database.
        if (!await table.ReleaseAsync(owner) && await CommitBeforeReleaseAsync(level, cancellationToken)) await table.ReleaseAsync(owner);
    }

    /// <summary>Merges a patch, or deletes where there is none.</summary>
    private async Task<WriteReceipt> WriteAsync(UserPatch? patch, WriteOptions options, CancellationToken cancellationToken)
    {
        // The version of an attempt of which nobody can tell whether it was written.
        long? unknown = null;
        var (waits, isHeldAhead) = (0, false);

        // From the first look at the state to the receipt: a user that is written to is not idle.
        _memory.Pin();
        try
        {
            UserValidation.Check(options);
            users.Admit();

            // Before the state is looked at: whatever happens meanwhile is seen below.
            await table.PaceAsync(options.Durability, cancellationToken);
            for (var attempt = 1; attempt <= MaxAttempts; attempt++)
            {
                var owner = await LoadToWriteAsync(cancellationToken);

                // From here until the row is handed over there is no await.
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
                    // What has been checked may not hold any more once there is room. Nothing was tried yet that counts as an attempt.
                    if (++waits > MaxAttempts) throw users.Refuse();
                    attempt--;
                    await HoldAsync(size, cancellationToken);
                    isHeldAhead = true;
                    continue;
                }

                isHeldAhead = true;
                var appending = table.AppendAsync(row);

                // It was not refused, and so has happened: no other call runs before it is handed over and accepted.
                _accepted = next;
                isHeldAhead = false;
                if (options.Durability == Durability.Memory && _unanswered == 0)
                {
                    // Nothing is waited for, and nothing it builds on may still be refused and made again.
                    Acknowledge(owner, next, isJournaled: false);
                    _writing = AnswerAsync(owner, next, row, options, appending);
                    return new() { Version = next.Version, Durability = Durability.Memory };
                }

                var writing = AcknowledgeAsync(owner, next, row, options, appending);
                _writing = writing;

                // From here on it cannot be called off: it may be in the journal at any moment.
                try
                {
                    if (await writing is { } reached) return new() { Version = next.Version, Durability = reached };
                }
                catch (OwnershipLostException lost) when (lost.MayBeWritten)
                {
                    // If it was, what is loaded next has its request id.
                    unknown = next.Version;
                }
                catch (OwnershipLostException)
                {
                    // It is in the journal, and so in what is loaded next: to make it again would be to count it twice.
                    return new() { Version = next.Version, Durability = await ReachAfreshAsync(next.Version, options.Durability) };
                }
            }

            throw Contested();
        }
        catch (Exception error) when (unknown is not null && SaysNotDone(error))
        {
            // That may say that nothing was done.
            throw Unknown(unknown.Value);
        }
        catch (OutOfMemoryException)
        {
            // Despite all budgets. How far it came is not known.
            throw new StorageUnavailableException("memory", $"The silo of user {WellFormedText.Quote(Id)} is out of memory. The write may still take effect.") { MayHaveTakenEffect = true };
        }
        finally
        {
            // It took room and came to nothing.
            if (isHeldAhead) CountAccepted();
            _memory.Unpin();
        }
    }

    private void CountAccepted() => _memory.Hold(UserSize.Of(_accepted));

    /// <summary>Waits for room for <paramref name="size"/>. A caller that does not wait to the end leaves nothing taken.</summary>
    private async Task HoldAsync(long size, CancellationToken cancellationToken)
    {
        var holding = _memory.HoldAsync(size);
        try
        {
            await _departure.WaitAsync(holding, users.Refuse, cancellationToken);
        }
        catch when (!holding.IsFaulted)
        {
            // This task owns whatever comes of it.
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
    /// The receipt of a write that was accepted before; null where the ownership it was accepted under was lost before it
    /// was written, so that it may not have happened at all.
    /// </summary>
    private async Task<WriteReceipt?> RepeatAsync(Ownership owner, long version, Durability durability, CancellationToken cancellationToken) =>
        await ReachAsync(owner, version, durability, cancellationToken) is { } reached
            ? new() { Version = version, Durability = reached }
            : null;

    /// <summary>
    /// Shows readers <paramref name="next"/> once it is written, whether or not the caller still waits. Returns null where
    /// the ownership was lost, and nothing was written.
    /// </summary>
    /// <exception cref="OwnershipLostException">
    /// The ownership was lost, and the write is in the journal only, or may be written and the request can be looked for.
    /// </exception>
    private async Task<Durability?> AcknowledgeAsync(
        Ownership owner, UserState next, Row row, WriteOptions options, Task<AppendOutcome> appending)
    {
        _memory.Pin();
        _unanswered++;
        var outcome = await appending;
        _unanswered--;
        Answered(owner, next);

        // It builds on a write that was refused, which is made again: it must not reach the database.
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
            // It stands, only not in the table.
            Acknowledge(owner, next, isJournaled: false);
            throw new WriteParkedException(Id, next.Version, parked.Reason);
        }
        catch (StorageUnavailableException)
        {
            // It waits in the queue all the same and may be committed later. This task owns whatever comes of that.
            _ = AcknowledgeLaterAsync(owner, next);
            throw;
        }
        finally
        {
            _memory.Unpin();
        }
    }

    /// <summary>What follows a write to memory that was acknowledged at once: it goes to the journal all the same.</summary>
    private async Task AnswerAsync(Ownership owner, UserState next, Row row, WriteOptions options, Task<AppendOutcome> appending)
    {
        _memory.Pin();
        try
        {
            var outcome = await appending;
            Answered(owner, next);

            // Where the ownership was lost meanwhile, a later owner may have written: this is not to reach the database any more.
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
            // Whoever repeats it for that would have it counted twice: the write stands.
        }

        throw Unknown(version);
    }

    private async Task<bool> CommitBeforeReleaseAsync(LogLevel level, CancellationToken cancellationToken)
    {
        // Calls that are to go to the next activation wait for this one.
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
            // It waits no longer: it is in the database, and at most cannot be asked whether in the table or parked.
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
    /// Returns once <paramref name="version"/>, which was accepted under <paramref name="owner"/>, has reached
    /// <paramref name="durability"/>, or more; null where that ownership was lost before.
    /// </summary>
    private async Task<Durability?> ReachAsync(Ownership owner, long version, Durability durability, CancellationToken cancellationToken)
    {
        const ConfigureAwaitOptions WhateverComesOfIt =
            ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing;
        _memory.Pin();
        try
        {
            while (owner == _owner && (_acknowledged.Version < version || _answered < version) && !_writing.IsCompleted)
            {
                // A wait that was called off ends at once, each time.
                await _writing.WaitAsync(cancellationToken).ConfigureAwait(WhateverComesOfIt);
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
            // Where it is parked it is no less durable than in the journal.
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
    /// The ownership under which the state in memory may be read and written; claims and loads it where there is none. Nothing
    /// is answered from memory by a silo that did not run for a while, until it has asked whether it is still a member.
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

    /// <summary>As <see cref="LoadAsync"/>, once the state may be changed as well.</summary>
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

        // What was loaded without the journal is loaded again once the journal is back.
        var isOutdated = _owner is { IsWithoutJournal: true } && table.IsJournaling;
        while (_owner is null || isOutdated || _loading is { IsCompleted: false })
        {
            UserLimits.ValidateId(Id);

            // One load serves all calls that wait for it. It is not theirs to cancel.
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
            // Where there is an owner still, its writes come to their end first. No further one begins: all calls wait for this.
            await _writing.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

            // A silo that was declared dead must not take users from those that live. It learns of it after the claim at the latest,
            // and then writes nothing under it.
            await lease.EnsureNotEvictedAsync();

            // One that is in memory already has its room.
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
            // It has to go on with what is in memory.
        }
        catch (Exception error) when (error is OverloadedException or OutOfMemoryException)
        {
            // An activation that holds no user is of no use to anyone, and takes memory as well.
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
        // Where an ownership was lost, what was acknowledged under it is in the table, in the journal or in this silo's
        // queue; a copy in the cache may be older while Redis is only just back.
        var opened = await table.OpenAsync(Id, atLeast: _acknowledged.Version, CancellationToken.None);
        _accepted = _acknowledged = opened.Row is { } row ? UserDocument.FromRow(row) : UserState.None;
        _isPossiblyStale = opened.IsPossiblyStale;
        _writable = opened.Writable;
        _journaled = 0;
        _answered = _accepted.Version;
        _owner = opened.Owner;
        _memory.Hold(UserSize.Of(_accepted));
    }

    /// <summary>Ends an ownership that was lost: the next call claims and loads afresh, on the activation that is left.</summary>
    private void GiveUp(Ownership owner)
    {
        if (owner != _owner) return;
        LogOwnershipLost(logger, Id, owner.Epoch);
        _owner = null;
        DeactivateOnIdle();
    }

    /// <summary>For answers that rest on the state in memory and cannot be marked as possibly stale.</summary>
    /// <exception cref="StorageUnavailableException">It is not known whether this silo is still a member.</exception>
    private void ThrowUnlessMember()
    {
        if (!lease.IsValid) throw MaybeOutdated();
    }

    // What these mean to the caller of a write, some of them in so many words, is that it may be made again.
    private static bool SaysNotDone(Exception error) => error is SiloEvictedException or OverloadedException or StorageUnavailableException;

    private StorageUnavailableException Unknown(long version) => new(
        "Redis", $"Redis failed and user {WellFormedText.Quote(Id)} moved while version {version} was written; whether it was cannot be told."
            + $" Repeat such writes with a {nameof(WriteOptions.RequestId)}, and they count once.")
    {
        MayHaveTakenEffect = true,
    };

    private StorageUnavailableException MaybeOutdated() => new(
        "Redis", $"User {WellFormedText.Quote(Id)} may have changed elsewhere since this silo saw it last, and what it knows cannot be marked as possibly stale in this"
            + " answer: neither the membership table nor the other silos say whether it is still a member. Nothing was done.");

    // The rows wait for their commit in this silo's queue and, if Redis has them, in the journal: only the call ends.
    private StorageUnavailableException Departing(long version) => new(
        "the database", $"User {WellFormedText.Quote(Id)} leaves this silo, and the database did not commit version {version} in the {Departure.Grace.TotalSeconds:0} s it could"
            + " still wait. It may do so later; ask again.")
    {
        MayHaveTakenEffect = true,
    };

    private StorageUnavailableException NotLoaded() => new(
        "Redis and the database", $"User {WellFormedText.Quote(Id)} leaves this silo, and was not loaded in the {Departure.Grace.TotalSeconds:0} s it could still wait. Try again.");

    private StorageUnavailableException Contested() =>
        new("Redis", $"User {WellFormedText.Quote(Id)} was claimed by other activations {MaxAttempts} times in a row; try again.");

    [LoggerMessage(Message =
        "User '{Id}' was deactivated with a write that the next activation may not find, for it is in this silo's memory only: {Reason}")]
    private static partial void LogLeftInMemory(ILogger logger, LogLevel level, string id, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Version {Version} of user '{Id}', acknowledged in memory only, is lost: another activation had taken the user over")]
    private static partial void LogMemoryLost(ILogger logger, string id, long version);

    [LoggerMessage(Level = LogLevel.Information, Message = "User '{Id}' lost its ownership (epoch {Epoch}) to another activation")]
    private static partial void LogOwnershipLost(ILogger logger, string id, long epoch);
}
