using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Runtime.Placement;
using Orleans.Storage;

namespace Actors.RateLimiting;

/// <summary>
/// The limits of one client: checks each call, and passes it on to the part that it concerns.
/// </summary>
/// <remarks>
/// The grain is reentrant. Its fields and parts are used only by its turns, one at a time, but any await may let another call
/// run.
/// </remarks>
[Reentrant]
[GrainType("rate-limiter")]
[CollectionAgeLimit(Minutes = 2)]
internal sealed partial class RateLimiterGrain(
    ConfiguredPolicies configured, [FromKeyedServices(OwnPolicies.Storage)] IGrainStorage storage, RedisGateway redis, RedisGrantLogStore logs,
    LimiterRoom room, HandoffStore handoffs, MembershipLease lease, LimiterCounters counters, IOptions<RateLimitOptions> options,
    CallTargets targets, TimeProvider time, ILogger<RateLimiterGrain> logger)
    : Grain, IRateLimiterGrain, ILimiterHeir, ILimiterHost, IGrainMigrationParticipant, IHoldsCalls, IMovable, IDisposable
{
    private const string Migrated = "handoff";
    private const ConfigureAwaitOptions WhateverHappens = ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing;

    private static readonly TimeSpan LongestStay = TimeSpan.FromHours(1);

    // The client's id and the parts, set on activation, before the first call.
    private string _client = "";
    private Resident _resident = null!;
    private ClientLimiters _limiters = null!;
    private NamedRequests _named = null!;
    private LeavableCalls _leavable = null!;
    private Inheritance _inheritance = null!;
    private CallTarget? _calls;

    // Set by any thread when the activation is about to deactivate.
    private volatile bool _isLeaving;

    // Null before activation; set before the first call and then only read, by any thread.
    private volatile TaskScheduler? _turns;

    // The handoff from the previous activation after a migration, and the handoff that this activation leaves.
    private LimiterHandoff? _inherited;
    private LimiterHandoff? _left;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _client = this.GetPrimaryKeyString();
        _resident = new Resident(_client, room, counters, this);
        var own = new OwnPolicies(this.GetGrainId(), storage, redis, time, logger);
        _limiters = new ClientLimiters(_client, own, configured, logs, counters, options.Value, new LimiterTimers(this), this);
        var requestIds = new RequestIdCache(_client, logs, _resident);
        _named = new NamedRequests(_client, requestIds, _resident, options.Value, time);
        _leavable = new LeavableCalls(time, _resident);
        _inheritance = new Inheritance(_client, _limiters, requestIds, _resident, logs, handoffs);
        _turns = TaskScheduler.Current;
        _resident.Enter();

        // Runs before any call, so that grants made without Redis count from the first call on. They are written back even if
        // no call arrives.
        await _inheritance.ClaimAsync(_inherited);
        _inherited = null;

        // Orleans may have given this activation up meanwhile.
        cancellationToken.ThrowIfCancellationRequested();
        _calls = targets.Open(GrainContext);

        // Each side writes its own and then reads the other's, so at least one of them closes it.
        Interlocked.MemoryBarrier();
        if (_isLeaving) _ = _calls.CloseAsync();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // Never activated.
        if (_turns is null) return;
        try
        {
            if (_calls is not null) await _calls.CloseAsync().WaitAsync(cancellationToken).ConfigureAwait(WhateverHappens);
            await _limiters.CloseAsync().WaitAsync(cancellationToken);
        }
        finally
        {
            HandOff(reason);
        }
    }

    /// <summary>The activation has ended, possibly before it was valid.</summary>
    public void Dispose()
    {
        _ = _calls?.CloseAsync();

        // Otherwise the grain was never activated.
        if (_turns is not null) _resident.Leave();
    }

    public Task InheritAsync(LimiterHandoff handoff) => _inheritance.AcceptAsync(handoff);

    public async Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken)
    {
        RateLimits.Validate(request);
        var limiter = await LimiterAsync(request.Policy);
        limiter.Check(request.Permits);
        if (request.RequestId is not null) return await _named.AcquireAsync(limiter, request, cancellationToken);

        // A caller that already left and gave the grant back must not get another one.
        if (request.CallId is not null) cancellationToken.ThrowIfCancellationRequested();
        var decided = limiter.AcquireAsync(1, request.Permits, null, request.MaxWait, cancellationToken);
        return request.CallId is { } call ? await _leavable.FollowAsync(call, request.Permits, decided) : (await decided)[0];
    }

    public async Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken)
    {
        // A client app sends the calls of one policy together.
        if (AreOfOneKind(requests))
        {
            ValidateOneOfMany(requests[0]);
            var limiter = await LimiterAsync(requests[0].Policy);
            limiter.Check(requests[0].Permits);
            return await limiter.AcquireAsync(requests.Length, requests[0].Permits, null, TimeSpan.Zero, cancellationToken);
        }

        var limiters = await LimitersAsync(requests);
        if (Array.Exists(requests, request => request.RequestId is not null))
        {
            await _named.LoadAsync();
            _named.Check(requests, limiters);
        }

        var decided = new List<Task<RateLimitDecision[]>>();
        for (var i = 0; i < requests.Length;)
        {
            var request = requests[i];
            var calls = request.RequestId is null ? requests.Skip(i).TakeWhile(each => each == request).Count() : 1;
            decided.Add(request.RequestId is null
                ? limiters[request.Policy].AcquireAsync(calls, request.Permits, null, TimeSpan.Zero, cancellationToken)
                : OneAsync(_named.AcquireAsync(limiters[request.Policy], request, cancellationToken)));
            i += calls;
        }

        return decided.Count == 1 ? await decided[0] : [.. (await Task.WhenAll(decided)).SelectMany(each => each)];

        static async Task<RateLimitDecision[]> OneAsync(Task<RateLimitDecision> decision) => [await decision];
    }

    public async Task<RateLimitDecision> PeekAsync(string policy, int permits, CancellationToken cancellationToken)
    {
        RateLimits.Validate(new RateLimitRequest { Policy = policy, Permits = permits });
        var limiter = await LimiterAsync(policy);
        limiter.Check(permits);
        return await limiter.PeekAsync(permits);
    }

    public async Task<int> RefundAsync(string requestId, CancellationToken cancellationToken)
    {
        RateLimits.ValidateRequestId(requestId);
        Admit();
        await lease.EnsureNotEvictedAsync();
        if (await _named.FindAsync(requestId) is not { } grant || _limiters.PolicyOf(grant.Policy) is null) return 0;
        return await _named.RefundAsync(await LimiterAsync(grant.Policy), requestId, grant);
    }

    public async Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken)
    {
        Admit();
        if (grants is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {grants?.Length ?? 0} grants; send 1 to {RateLimits.MaxBatch}.");
        foreach (var grant in grants) RateLimits.Validate(new RateLimitRequest { Policy = grant.Policy, Permits = grant.Permits });
        var freed = 0;
        foreach (var policy in (await _leavable.TakeAsync(grants)).GroupBy(grant => grant.Policy))
        {
            var limiter = await LimiterAsync(policy.Key);
            freed += await limiter.RefundUnusedAsync([.. policy.Select(grant => (DecisionFactory.ToMicroseconds(grant.DecidedAt), grant.Permits))]);
        }

        return freed;
    }

    public async Task ResetAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        await (await LimiterAsync(policy)).ResetAsync();
    }

    public async Task SetPolicyAsync(RateLimitPolicy policy, CancellationToken cancellationToken)
    {
        RateLimits.Validate(policy);
        Admit();
        await lease.EnsureNotEvictedAsync();
        await _limiters.SetPolicyAsync(policy);
    }

    public async Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        Admit();
        await lease.EnsureNotEvictedAsync();
        return await _limiters.RemovePolicyAsync(policy);
    }

    public async Task<RateLimitPolicy> GetPolicyAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        Admit();
        await lease.EnsureNotEvictedAsync();
        await _limiters.LoadPoliciesAsync();
        return _limiters.PolicyOf(policy) ?? throw _limiters.Unknown(policy);
    }

    void IHoldsCalls.ReleaseHeldCalls()
    {
        _isLeaving = true;
        Interlocked.MemoryBarrier();
        _ = _calls?.CloseAsync();
        if (_turns is { } turns) _ = Task.Factory.StartNew(_limiters.Leave, CancellationToken.None, TaskCreationOptions.None, turns);
    }

    void ILimiterHost.WakeAfter(string policy, TimeSpan due) => _limiters.WakeAfter(policy, due);

    void ILimiterHost.AskToLeave()
    {
        _ = Task.Factory.StartNew(Leave, CancellationToken.None, TaskCreationOptions.None, _turns!);

        void Leave()
        {
            // The next activation reads from Redis what Redis has. Anything else must stay.
            if (_limiters.IsEmpty || (logs.IsReachable && _named.IsIdle && _limiters.AreIdle)) DeactivateOnIdle();
            else _resident.Stay();
        }
    }

    void IMovable.MoveIfIdle()
    {
        if (logs.IsReachable && _named.IsIdle && _limiters.HoldNothing) MigrateOnIdle();
    }

    void ILimiterHost.AddBytes(long more) => _resident.AddBytes(more);

    void ILimiterHost.Fenced()
    {
        LogFenced(logger, _client);
        _named.Forget();
        DeactivateOnIdle();
    }

    void ILimiterHost.OnUnsynced(TimeSpan longest) => DelayDeactivation(longest < LongestStay ? longest : LongestStay);

    void ILimiterHost.Failed(Exception error) => LogFailed(logger, _client, error);

    void IGrainMigrationParticipant.OnDehydrate(IDehydrationContext context)
    {
        if (_left is not null) context.TryAddValue(Migrated, _left);
    }

    void IGrainMigrationParticipant.OnRehydrate(IRehydrationContext context)
    {
        if (context.TryGetValue<LimiterHandoff>(Migrated, out var handoff)) _inherited = handoff;
    }

    /// <summary>Leaves the next activation the state that it cannot read from Redis.</summary>
    private void HandOff(DeactivationReason reason)
    {
        var isIdle = reason.ReasonCode is DeactivationReasonCode.ActivationIdle or DeactivationReasonCode.HighMemoryPressure;
        _left = _inheritance.Leave(GrainContext.ActivationId.ToString(), isIdle);
        if (_left is null) return;
        LogHandedOff(logger, _client);

        // Migration delivers it before the next activation serves any call. The store delivers it if the migration fails.
        if (reason.ReasonCode == DeactivationReasonCode.Migrating || handoffs.OtherSilo() is not { } other) return;
        RequestContext.Set(IPlacementDirector.PlacementHintKey, other);
        MigrateOnIdle();
        RequestContext.Remove(IPlacementDirector.PlacementHintKey);
    }

    private async Task<Dictionary<string, Limiter>> LimitersAsync(RateLimitRequest[]? requests)
    {
        if (requests is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {requests?.Length ?? 0} requests; send 1 to {RateLimits.MaxBatch}.");
        var limiters = new Dictionary<string, Limiter>();
        foreach (var request in requests)
        {
            ValidateOneOfMany(request);
            if (!limiters.TryGetValue(request.Policy, out var limiter))
                limiters[request.Policy] = limiter = await LimiterAsync(request.Policy);
            limiter.Check(request.Permits);
        }

        return limiters;
    }

    private static void ValidateOneOfMany(RateLimitRequest request)
    {
        RateLimits.Validate(request);
        if (request.MaxWait > TimeSpan.Zero)
            throw new InvalidRateLimitException($"MaxWait is {request.MaxWait} in a call of several requests; it must be {TimeSpan.Zero}.");
    }

    private static bool AreOfOneKind(RateLimitRequest[]? requests) =>
        requests is [{ RequestId: null } first, ..] && requests.Length <= RateLimits.MaxBatch
        && (requests.Length == 1 || Array.TrueForAll(requests, request => request == first));

    /// <exception cref="SiloEvictedException">
    /// The cluster declared this silo dead, so its copies of the log and the policy may be stale.
    /// </exception>
    private async ValueTask<Limiter> LimiterAsync(string policy)
    {
        Admit();
        if (!lease.IsValid) await lease.EnsureNotEvictedAsync();
        if (!_limiters.ArePoliciesLoaded) await _limiters.LoadPoliciesAsync();
        return _limiters.Get(policy);
    }

    private void Admit()
    {
        try
        {
            _resident.Admit();
        }
        catch (ActorsException)
        {
            DeactivateOnIdle();
            throw;
        }
    }

    [LoggerMessage(EventId = 1804, Level = LogLevel.Error, Message = "Limiter {Client} failed unexpectedly")]
    private static partial void LogFailed(ILogger logger, string client, Exception error);

    [LoggerMessage(EventId = 1805, Level = LogLevel.Information, Message = "Limiter {Client} lost its log to another activation; deactivating")]
    private static partial void LogFenced(ILogger logger, string client);

    [LoggerMessage(EventId = 1806, Level = LogLevel.Information,
        Message = "Limiter {Client} ends with grants that are not in Redis; handing them over to the next activation")]
    private static partial void LogHandedOff(ILogger logger, string client);
}
