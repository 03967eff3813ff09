using System.Diagnostics.CodeAnalysis;
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
/// The grain is reentrant: only its turns access the fields and the parts they hold, one at a time, but other calls may run during
/// any await. Check, apply and append must be atomic, so no await separates them. Any thread may call <see cref="TryRead"/>.
/// </remarks>
[Reentrant]
[GrainType("user")]
internal sealed class UserGrain(
    WriteBehindTable table, ActiveUsers users, MembershipLease lease, ReadCounters reads, ClusterClock clock, CallTargets targets,
    ILogger<UserGrain> logger)
    : Grain, IUserGrain, IHoldsCalls, IMovable, IDisposable
{
    // The limit on how long calls may wait once the deactivation begins.
    private readonly Departure _departure = new();

    // The memory account and the parts, set when the activation begins, before the first call.
    private ActiveUser? _account;
    private UserLoader _loader = null!;
    private UserAcknowledger _acknowledger = null!;
    private UserWriter _writer = null!;
    private CallTarget? _calls;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _account = new ActiveUser(users, GrainContext);
        _loader = new UserLoader(this.GetPrimaryKeyString(), table, users, _account, _departure, lease, reads, logger);
        _acknowledger = new UserAcknowledger(_loader, table, _account, _departure, logger);
        _writer = new UserWriter(_loader, _acknowledger, table, users, _account, _departure, clock);
        _calls = targets.Open(GrainContext);

        // Each side writes its own and then reads the other's, so at least one of them closes it.
        Interlocked.MemoryBarrier();
        if (_departure.HasBegun) _ = _calls.CloseAsync();
        return Task.CompletedTask;
    }

    /// <inheritdoc cref="UserLoader.TryRead"/>
    public bool TryRead([NotNullWhen(true)] out User? user) => _loader.TryRead(out user);

    public async Task<User?> GetAsync(CancellationToken cancellationToken)
    {
        var loaded = await _loader.LoadAsync(cancellationToken);
        var user = loaded.Acknowledged.User;
        var isMember = lease.IsValid;
        if (user is null && !isMember) throw UserErrors.MaybeOutdated(_loader.Id);
        return user is not null && (loaded.IsPossiblyStale || !isMember) ? user with { IsPossiblyStale = true } : user;
    }

    public Task<WriteReceipt> UpdateAsync(UserPatch patch, WriteOptions? options, CancellationToken cancellationToken)
    {
        UserValidation.Check(patch);
        return _writer.WriteAsync(patch, options ?? WriteOptions.Default, cancellationToken);
    }

    public Task<WriteReceipt> DeleteAsync(WriteOptions? options, CancellationToken cancellationToken) =>
        _writer.WriteAsync(patch: null, options ?? WriteOptions.Default, cancellationToken);

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= UserLoader.MaxAttempts; attempt++)
        {
            var user = await _loader.LoadAsync(cancellationToken);
            if (await _acknowledger.WaitForAsync(user, user.Acknowledged.Version, Durability.Database, cancellationToken) is not null) return;
        }

        throw UserErrors.Contested(_loader.Id);
    }

    public async Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken)
    {
        UserValidation.Check(new WriteOptions { Durability = durability });
        for (var attempt = 1; attempt <= UserLoader.MaxAttempts; attempt++)
        {
            var user = await _loader.LoadAsync(cancellationToken);
            var last = user.Accepted.Version;
            if (version > last) _loader.ThrowUnlessMember();
            if (version < 0 || version > last)
                throw new InvalidUserException($"Version {version} of user {WellFormedText.Quote(_loader.Id)} was not written; use 0 to {last}.");
            if (await _acknowledger.WaitForAsync(user, version, durability, cancellationToken) is not null) return;
        }

        throw UserErrors.Contested(_loader.Id);
    }

    void IMovable.MoveIfIdle()
    {
        if (_account is { IsPinned: false } && _loader.Current is null or { IsStored: true }) MigrateOnIdle();
    }

    void IHoldsCalls.ReleaseHeldCalls()
    {
        _departure.Begin();
        _ = _calls?.CloseAsync();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        const ConfigureAwaitOptions IgnoreFailure =
            ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing;

        // Never activated.
        if (_calls is null) return;
        await _calls.CloseAsync().WaitAsync(cancellationToken).ConfigureAwait(IgnoreFailure);

        // Writes acknowledged in memory may still be in flight to the journal.
        await _loader.Writing.WaitAsync(cancellationToken).ConfigureAwait(IgnoreFailure);
        if (_loader.Current is { } user) await new UserRelease(table, logger).ReleaseAsync(user, reason, cancellationToken);
    }

    /// <summary>Runs at the end of the activation, with or without <see cref="OnDeactivateAsync"/>.</summary>
    public void Dispose()
    {
        _ = _calls?.CloseAsync();
        _account?.Dispose();
        _departure.Dispose();
    }
}
