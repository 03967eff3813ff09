using System.Diagnostics.CodeAnalysis;
using Actors.Core;
using Actors.Membership;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;

namespace Actors.Users;

/// <summary>
/// Loads one user: claims its key and finds its state, and gives it up once the ownership is lost. Only turns of the user's grain
/// access it, one at a time; other turns may run during any await. Any thread may call <see cref="TryRead"/>.
/// </summary>
internal sealed partial class UserLoader(
    string id, WriteBehindTable table, ActiveUsers users, ActiveUser account, Departure departure, MembershipLease lease,
    ReadCounters reads, ILogger logger)
{
    /// <summary>The maximum number of attempts of a call that loses its ownership to another activation.</summary>
    public const int MaxAttempts = 5;

    // Null until loaded; not current once its ownership is lost. Written by turns, read by any thread.
    private volatile OwnedUser? _user;
    private Task? _loading;

    /// <summary>The user's id.</summary>
    public string Id => id;

    /// <summary>The user, if it is loaded and owned.</summary>
    public OwnedUser? Current => _user is { IsCurrent: true } user ? user : null;

    /// <summary>The last write in flight, also after its ownership is lost.</summary>
    public Task Writing => _user?.Writing ?? Task.CompletedTask;

    /// <summary>
    /// The user, with an ownership under which the state in memory may be read; claims the key and loads the state if there is none.
    /// A silo that was paused answers nothing from memory until it has verified its membership.
    /// </summary>
    /// <exception cref="SiloEvictedException">This silo was declared dead.</exception>
    public async ValueTask<OwnedUser> LoadAsync(CancellationToken cancellationToken)
    {
        reads.Count(ReadLayer.Memory, isHit: Current is not null);
        while (true)
        {
            var user = await LoadOwnedAsync(cancellationToken);
            if (lease.IsValid) return user;

            // Other calls run meanwhile, and the ownership may be lost.
            await lease.EnsureNotEvictedAsync();
            if (user.IsCurrent) return user;
        }
    }

    /// <summary>
    /// Reads the user without a turn, if it is in memory and its state may be read. Any thread may call it: it uses only what turns
    /// publish. It sees each write that was acknowledged before the call.
    /// </summary>
    public bool TryRead([NotNullWhen(true)] out User? user)
    {
        user = _user?.Published;
        if (user is null || !lease.IsValid) return false;
        account.Use();
        reads.Count(ReadLayer.Memory, isHit: true);
        return true;
    }

    /// <summary>Like <see cref="LoadAsync"/>, but also waits until the state may be changed.</summary>
    public async ValueTask<OwnedUser> LoadToWriteAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var user = await LoadAsync(cancellationToken);
            if (user.Writable.IsCompleted) return user;
            await user.Writable.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Guards answers that depend on the state in memory and cannot be marked as possibly stale.</summary>
    /// <exception cref="StorageUnavailableException">It is unknown whether this silo is still a member.</exception>
    public void ThrowUnlessMember()
    {
        if (!lease.IsValid) throw UserErrors.MaybeOutdated(id);
    }

    /// <summary>Counts the memory of the state with all accepted writes, even without room: it is in memory already.</summary>
    public void CountMemory() => account.Hold(UserSize.Of(_user?.Accepted ?? UserState.None));

    /// <summary>Ends a lost ownership: the next call claims and loads again, on the activation that is left.</summary>
    public void GiveUp(OwnedUser user)
    {
        if (!user.IsCurrent) return;
        LogOwnershipLost(logger, id, user.Owner.Epoch);
        user.End();
        Deactivate("The user is owned by another activation.");
    }

    private async ValueTask<OwnedUser> LoadOwnedAsync(CancellationToken cancellationToken)
    {
        account.Use();

        // A user that was loaded without the journal is loaded again once the journal is back.
        var isOutdated = Current is { Owner.IsWithoutJournal: true } && table.IsJournaling;
        while (Current is null || isOutdated || _loading is { IsCompleted: false })
        {
            UserLimits.ValidateId(id);

            // Single flight: one load serves all waiting calls, and none of them can cancel it.
            if (_loading is null or { IsCompleted: true }) _loading = LoadOnceAsync();
            isOutdated = false;
            await departure.WaitAsync(_loading, NotLoaded, cancellationToken);
        }

        return Current;
    }

    private async Task LoadOnceAsync()
    {
        account.Pin();
        try
        {
            // Let the writes of a current owner complete. No new write begins, because all calls wait for this load.
            await Writing.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

            // A silo that was declared dead must not take users from live silos. At the latest it learns this after the claim, and
            // then writes nothing under it.
            await lease.EnsureNotEvictedAsync();

            // A user in memory already has its room.
            if (Current is not null)
            {
                await OpenAsync();
                return;
            }

            await account.BeginLoadAsync();
            try
            {
                await OpenAsync();
            }
            finally
            {
                account.EndLoad();
            }
        }
        catch (Exception error) when (error is StorageUnavailableException or OverloadedException && Current is not null)
        {
            // Keep the state in memory.
        }
        catch (Exception error) when (error is OverloadedException or OutOfMemoryException)
        {
            // An activation without a user only takes memory.
            Deactivate("The user could not be loaded: the silo has no memory for it.");
            throw error as OverloadedException ?? users.Refuse();
        }
        finally
        {
            account.Unpin();
        }
    }

    private async Task OpenAsync()
    {
        // Writes acknowledged under a lost ownership are in the table, the journal or this silo's queue. A cached copy may be
        // older if Redis has only just come back.
        var opened = new OwnedUser(await table.OpenAsync(id, atLeast: _user?.Acknowledged.Version ?? 0, CancellationToken.None));
        _user?.End();
        _user = opened;
        CountMemory();
    }

    private void Deactivate(string reason) => account.Context.Deactivate(new(DeactivationReasonCode.ApplicationRequested, reason));

    private StorageUnavailableException NotLoaded() => UserErrors.NotLoaded(id);

    [LoggerMessage(EventId = 2005, Level = LogLevel.Information, Message = "User '{Id}' lost its ownership (epoch {Epoch}) to another activation")]
    private static partial void LogOwnershipLost(ILogger logger, string id, long epoch);
}
