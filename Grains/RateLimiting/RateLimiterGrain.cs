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
/// The limits of one client: finds the policy that applies and its <see cref="Limiter"/>, and remembers requests by their id.
/// </summary>
/// <remarks>
/// The grain is reentrant. Its fields and limiters are used only by its turns, one at a time, but any await may let another
/// call run.
/// </remarks>
[Reentrant]
[GrainType("rate-limiter")]
[CollectionAgeLimit(Minutes = 2)]
internal sealed partial class RateLimiterGrain(
    ConfiguredPolicies configured, [FromKeyedServices(OwnPolicies.Storage)] IGrainStorage storage, RedisGateway redis, RedisGrantLogStore logs,
    LimiterRoom room, HandoffStore handoffs, MembershipLease lease, LimiterCounters counters, IOptions<RateLimitOptions> options,
    TimeProvider time, ILogger<RateLimiterGrain> logger)
    : Grain, IRateLimiterGrain, ILimiterHeir, ILimiterHost, IGrainMigrationParticipant, IHoldsCalls, IResident, IDisposable
{
    private const string Migrated = "handoff";

    // Approximate memory of a client in Orleans and here, beside its limiters, and the number of strings that hold its id.
    private const int OwnBytes = 5 * 1024;
    private const int IdCopies = 3;

    // A client may remember this many requests even if the silo is full and the client exceeds its share.
    private const int AlwaysNamed = 100;

    // Limiters of policies that a client no longer has.
    private const int MaxUnused = 4;

    // An activation takes one handoff from each predecessor that has not written its grants to Redis, which are few.
    private const int MaxOrigins = 32;

    private static readonly TimeSpan LongestStay = TimeSpan.FromHours(1);

    // By policy.
    private readonly Dictionary<string, Limiter> _limiters = [];
    private readonly Dictionary<string, IGrainTimer> _timers = [];

    // Requests with an id that are being decided. A repeated request waits for the first one. Each removes itself before it
    // ends.
    private readonly Dictionary<string, (RateLimitRequest Request, Task<RateLimitDecision> Decision)> _deciding = [];
    private OwnPolicies _own = null!;
    private RequestIdCache _named = null!;
    private LeavableCalls _leavable = null!;
    private string _client = "";

    // The minimum of calls that may wait for another call with the same request id: as many as may be repeated at once.
    private const int FewestFollowers = 100;
    private int _followers;

    // Null before activation; set before the first call and then only read.
    private volatile TaskScheduler? _turns;
    private bool _isLeaving;
    private bool _isAdmitted;
    private volatile bool _isGone;

    // Written by turns and read by any thread; each access is atomic.
    private long _bytes;
    private long _ownBytes;
    private long _lastCalled;
    private long _firstCalled;

    // The activations whose handoffs have been merged.
    private readonly List<string> _origins = [];

    // Handoffs that are being merged. A repeated handoff waits for the first one. Each removes itself before it ends.
    private readonly Dictionary<string, Task> _inheriting = [];

    // The handoff from the previous activation after a migration, and the handoff that this activation leaves.
    private LimiterHandoff? _inherited;
    private LimiterHandoff? _left;

    int IResident.Position { get; set; }

    long IResident.Bytes => Volatile.Read(ref _bytes);

    long IResident.LastCalled => Volatile.Read(ref _lastCalled);

    long IResident.FirstCalled => Volatile.Read(ref _firstCalled);

    private string Client => _client;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _client = this.GetPrimaryKeyString();
        _own = new OwnPolicies(this.GetGrainId(), storage, redis, time, logger);
        _named = new RequestIdCache(Client, logs, AddBytes);
        _leavable = new LeavableCalls(time, AddBytes);
        (_firstCalled, _lastCalled) = (Environment.TickCount64, Environment.TickCount64);
        _turns = TaskScheduler.Current;
        room.Enter(this);
        counters.AddClients(1);
        AddBytes(OwnBytes + (IdCopies * sizeof(char) * Client.Length));

        // Runs before any call, so that grants made without Redis count from the first call on. They are written back even if
        // no call arrives.
        foreach (var handoff in (LimiterHandoff?[])[_inherited, handoffs.Take(Client)])
        {
            if (handoff is not null) await InheritAsync(handoff);
        }

        _inherited = null;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(_limiters.Values.Select(limiter => limiter.CloseAsync())).WaitAsync(cancellationToken);
        }
        finally
        {
            HandOff(reason);
        }
    }

    /// <summary>The activation has ended, possibly before it was valid. Runs once, after the last turn.</summary>
    public void Dispose()
    {
        // The grain was never activated.
        if (_turns is null || _isGone) return;
        _isGone = true;
        room.Leave(this);
        counters.AddClients(-1);
        counters.AddBytes(-Volatile.Read(ref _bytes));
    }

    public Task InheritAsync(LimiterHandoff handoff)
    {
        // Always admitted, because another activation has just freed the same memory.
        _isAdmitted = true;
        var origin = handoff.Origins[0];
        if (_origins.Contains(origin)) return Task.CompletedTask;
        if (_inheriting.TryGetValue(origin, out var first)) return first;
        var inheriting = TakeOverAsync(handoff);
        if (!inheriting.IsCompleted) _inheriting.Add(origin, inheriting);
        return inheriting;
    }

    private async Task TakeOverAsync(LimiterHandoff handoff)
    {
        try
        {
            await TakeOverLogsAsync(handoff);

            // Recorded only now, because the sender drops the handoff then. A failed handoff is sent again; known grants count
            // once.
            _origins.AddRange(handoff.Origins);
            if (_origins.Count > MaxOrigins) _origins.RemoveRange(0, _origins.Count - MaxOrigins);
        }
        finally
        {
            _inheriting.Remove(handoff.Origins[0]);
        }
    }

    private async Task TakeOverLogsAsync(LimiterHandoff handoff)
    {
        _own.Assume(handoff.OwnPolicies);
        CountOwn();
        foreach (var (name, at) in handoff.Names.Concat(handoff.Logs.SelectMany(log => log.Noted)))
        {
            var (requestId, grant) = NamedGrant.Parse(name, at);
            _named.Add(requestId, grant);
        }

        foreach (var log in handoff.Logs)
        {
            if (!_limiters.TryGetValue(log.Policy.Name, out var limiter)) limiter = AddLimiter(PolicyOf(log.Policy.Name) ?? log.Policy);
            await limiter.TakeOverAsync(log);
        }
    }

    public async Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken)
    {
        RateLimits.Validate(request);
        var limiter = await LimiterAsync(request.Policy);
        limiter.Check(request.Permits);
        if (request.RequestId is not null) return await AcquireNamedAsync(limiter, request, cancellationToken);

        // A caller that already left and gave the grant back must not get another one.
        if (request.CallId is not null) cancellationToken.ThrowIfCancellationRequested();
        var decided = limiter.AcquireAsync(1, request.Permits, null, request.MaxWait, cancellationToken);
        return request.CallId is { } call ? await _leavable.FollowAsync(call, request.Permits, decided) : (await decided)[0];
    }

    public async Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken)
    {
        var limiters = await LimitersAsync(requests);
        if (Array.Exists(requests, request => request.RequestId is not null))
        {
            await _named.LoadAsync();
            CheckNames(requests, limiters);
        }

        var decided = new List<Task<RateLimitDecision[]>>();
        for (var i = 0; i < requests.Length;)
        {
            var request = requests[i];
            var calls = request.RequestId is null ? requests.Skip(i).TakeWhile(each => each == request).Count() : 1;
            decided.Add(request.RequestId is null
                ? limiters[request.Policy].AcquireAsync(calls, request.Permits, null, TimeSpan.Zero, cancellationToken)
                : OneAsync(AcquireNamedAsync(limiters[request.Policy], request, cancellationToken)));
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
        await _named.LoadAsync();

        // The caller of the acquire observes its failure; here only the end matters.
        if (_deciding.TryGetValue(requestId, out var deciding)) await Task.WhenAny(deciding.Decision);
        if (_named.Find(requestId) is not { } grant)
            return _named.IsLoaded ? 0 : throw Unavailable("the client's request ids cannot be read");
        if (PolicyOf(grant.Policy) is null) return 0;
        var limiter = await LimiterAsync(grant.Policy);

        // Removed first, so that a concurrent refund of the same id finds nothing.
        if (!_named.Remove(requestId)) return 0;
        try
        {
            return await limiter.RefundAsync(NamedGrant.Format(grant.Policy, grant.Permits, requestId), grant.Permits, grant.At);
        }
        catch (ActorsException)
        {
            _named.Add(requestId, grant);
            throw;
        }
    }

    public async Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken)
    {
        Admit();
        if (grants is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {grants?.Length ?? 0} grants; send 1 to {RateLimits.MaxBatch}.");
        foreach (var grant in grants) RateLimits.Validate(new RateLimitRequest { Policy = grant.Policy, Permits = grant.Permits });
        var (freed, charged) = (0, new List<UnusedGrant>(grants.Length));
        foreach (var grant in grants)
        {
            if ((grant.CallId is { } call ? await _leavable.TakeAsync(call) : grant) is { } known) charged.Add(known);
        }

        foreach (var policy in charged.GroupBy(grant => grant.Policy))
        {
            var limiter = await LimiterAsync(policy.Key);
            freed += await limiter.RefundUnusedAsync([.. policy.Select(grant => (ToMicroseconds(grant.DecidedAt), grant.Permits))]);
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
        await _own.SetAsync(policy.Name, policy);
        PolicyChanged(policy.Name);
    }

    public async Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        Admit();
        await lease.EnsureNotEvictedAsync();
        await LoadOwnAsync();
        var wasThere = _own.Find(policy) is not null;
        if (wasThere || !_own.IsLoaded) await _own.SetAsync(policy, null);
        PolicyChanged(policy);
        await DropUnusedAsync();
        return wasThere;
    }

    public async Task<RateLimitPolicy> GetPolicyAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        Admit();
        await lease.EnsureNotEvictedAsync();
        await LoadOwnAsync();
        return PolicyOf(policy) ?? throw Unknown(policy);
    }

    void IHoldsCalls.ReleaseHeldCalls()
    {
        if (_turns is { } turns) _ = Task.Factory.StartNew(Leave, CancellationToken.None, TaskCreationOptions.None, turns);

        void Leave()
        {
            _isLeaving = true;
            foreach (var limiter in _limiters.Values) limiter.Leave();
        }
    }

    void ILimiterHost.WakeAfter(string policy, TimeSpan due)
    {
        if (_timers.TryGetValue(policy, out var timer))
        {
            timer.Change(due, Timeout.InfiniteTimeSpan);
            return;
        }

        _timers[policy] = this.RegisterGrainTimer(
            (policy, _) =>
            {
                if (_limiters.TryGetValue(policy, out var limiter)) limiter.Wake();
                return Task.CompletedTask;
            },
            policy,
            new() { DueTime = due, Period = Timeout.InfiniteTimeSpan, Interleave = true, KeepAlive = true });
    }

    void IResident.AskToLeave()
    {
        _ = Task.Factory.StartNew(Leave, CancellationToken.None, TaskCreationOptions.None, _turns!);

        void Leave()
        {
            // The next activation reads from Redis what Redis has. Anything else must stay.
            if (_limiters.Count == 0 || (logs.IsReachable && _deciding.Count == 0 && _limiters.Values.All(limiter => limiter.IsIdle)))
            {
                DeactivateOnIdle();
                return;
            }

            // Other clients are asked first now. The time over which this client was called stays the same.
            var now = Environment.TickCount64;
            Volatile.Write(ref _firstCalled, now - (_lastCalled - _firstCalled));
            Volatile.Write(ref _lastCalled, now);
            room.Stays(this);
        }
    }

    void ILimiterHost.AddBytes(long more) => AddBytes(more);

    void ILimiterHost.Fenced()
    {
        LogFenced(logger, Client);
        _named.Forget();
        DeactivateOnIdle();
    }

    void ILimiterHost.OnUnsynced(TimeSpan longest) => DelayDeactivation(longest < LongestStay ? longest : LongestStay);

    void ILimiterHost.Failed(Exception error) => LogFailed(logger, Client, error);

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
        // An idle client hands over only what Redis lacks; otherwise all clients would migrate during an outage.
        var isAll = !logs.IsReachable
            && reason.ReasonCode is not (DeactivationReasonCode.ActivationIdle or DeactivationReasonCode.HighMemoryPressure);
        LogHandoff[] left = [.. _limiters.Values.Select(limiter => limiter.HandOff(isAll)).Where(log => !log.IsEmpty)];
        var isUnread = !logs.IsReachable && (isAll || left.Length > 0);
        var handoff = new LimiterHandoff
        {
            Origins = [GrainContext.ActivationId.ToString(), .. _origins],
            Logs = left,
            Names = isUnread ? [.. _named.All.Select(each => new KeyValuePair<string, long>(each.Name, each.At))] : [],
            OwnPolicies = isUnread ? new(_own.All) : [],
        };
        if (handoff.IsEmpty) return;
        LogHandedOff(logger, Client);
        _left = handoff;

        // Migration delivers it before the next activation serves any call. The store delivers it if the migration fails.
        handoffs.Keep(Client, handoff);
        if (reason.ReasonCode == DeactivationReasonCode.Migrating || handoffs.OtherSilo() is not { } other) return;
        RequestContext.Set(IPlacementDirector.PlacementHintKey, other);
        MigrateOnIdle();
        RequestContext.Remove(IPlacementDirector.PlacementHintKey);
    }

    private async Task<RateLimitDecision> AcquireNamedAsync(Limiter limiter, RateLimitRequest request, CancellationToken cancellationToken)
    {
        var requestId = request.RequestId!;
        var began = time.GetTimestamp();
        await _named.LoadAsync();
        while (_deciding.TryGetValue(requestId, out var first))
        {
            if (_followers >= Math.Max(FewestFollowers, options.Value.MaxWaiting))
            {
                throw new OverloadedException(
                    $"{_followers} calls of client {WellFormedText.Quote(Client)} wait for another one with the same request id; no more may.",
                    LimiterRoom.RetryAfter);
            }

            _followers++;
            AddBytes(WaitingLine.CallBytes);
            try
            {
                await Task.WhenAny(first.Decision).WaitAsync(cancellationToken);
            }
            finally
            {
                _followers--;
                AddBytes(-WaitingLine.CallBytes);
            }

            if (!IsSame(request, first.Request) || !first.Decision.IsCompletedSuccessfully) continue;
            return await first.Decision;
        }

        if (_named.Find(requestId) is { } grant)
        {
            CheckSame(request, grant);
            return await limiter.RepeatedAsync(grant.At);
        }

        limiter.CheckNames();
        if (_named.Count >= AlwaysNamed && room.IsOverShare(this)) throw Overloaded("a client above its share cannot add request ids");
        var left = request.MaxWait - time.GetElapsedTime(began);
        var deciding = DecideNamedAsync(limiter, request with { MaxWait = left > TimeSpan.Zero ? left : TimeSpan.Zero }, cancellationToken);
        if (!deciding.IsCompleted) _deciding.Add(requestId, (request, deciding));
        return await deciding;
    }

    private async Task<RateLimitDecision> DecideNamedAsync(Limiter limiter, RateLimitRequest request, CancellationToken cancellationToken)
    {
        var (policy, requestId) = (request.Policy, request.RequestId!);
        var name = NamedGrant.Format(policy, request.Permits, requestId);
        try
        {
            // A caller that left while the names were loaded, and gave the grant back, must not get another one.
            cancellationToken.ThrowIfCancellationRequested();
            var decision = (await limiter.AcquireAsync(1, request.Permits, name, request.MaxWait, cancellationToken))[0];
            if (decision is { IsAllowed: true, IsShadowDenial: false })
                _named.Add(requestId, new(policy, request.Permits, ToMicroseconds(decision.DecidedAt)));
            return decision;
        }
        finally
        {
            _deciding.Remove(requestId);
        }
    }

    private static long ToMicroseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private static bool IsSame(RateLimitRequest request, RateLimitRequest other) =>
        request.Policy == other.Policy && request.Permits == other.Permits;

    private static void CheckSame(RateLimitRequest request, NamedGrant grant)
    {
        if (grant.Policy == request.Policy && grant.Permits == request.Permits) return;
        throw new InvalidRateLimitException(
            $"The request id {WellFormedText.Quote(request.RequestId!)} was used for {grant.Permits} permits of policy '{grant.Policy}';"
            + $" this call asks for {request.Permits} of '{request.Policy}'. Repeat the same request or use a new id.");
    }

    private async Task<Dictionary<string, Limiter>> LimitersAsync(RateLimitRequest[]? requests)
    {
        if (requests is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {requests?.Length ?? 0} requests; send 1 to {RateLimits.MaxBatch}.");
        var limiters = new Dictionary<string, Limiter>();
        foreach (var request in requests)
        {
            RateLimits.Validate(request);
            if (request.MaxWait > TimeSpan.Zero)
                throw new InvalidRateLimitException($"MaxWait is {request.MaxWait} in a call of several requests; it must be {TimeSpan.Zero}.");
            if (!limiters.TryGetValue(request.Policy, out var limiter))
                limiters[request.Policy] = limiter = await LimiterAsync(request.Policy);
            limiter.Check(request.Permits);
        }

        return limiters;
    }

    /// <exception cref="InvalidRateLimitException">
    /// One request reuses an id for a different request. Nothing is charged for any of them.
    /// </exception>
    private void CheckNames(RateLimitRequest[] requests, Dictionary<string, Limiter> limiters)
    {
        var named = new Dictionary<string, NamedGrant>();
        foreach (var request in requests)
        {
            if (request.RequestId is not { } requestId) continue;
            limiters[request.Policy].CheckNames();
            if (!named.TryGetValue(requestId, out var grant))
                named[requestId] = grant = _named.Find(requestId) ?? new(request.Policy, request.Permits, 0);
            CheckSame(request, grant);
        }
    }

    /// <exception cref="SiloEvictedException">
    /// The cluster declared this silo dead, so its copies of the log and the policy may be stale.
    /// </exception>
    private async ValueTask<Limiter> LimiterAsync(string policy)
    {
        Admit();
        if (!lease.IsValid) await lease.EnsureNotEvictedAsync();
        if (!_own.IsLoaded) await LoadOwnAsync();
        var found = PolicyOf(policy) ?? throw Unknown(policy);
        if (!_limiters.TryGetValue(policy, out var limiter)) return AddLimiter(found);
        limiter.Policy = found;
        return limiter;
    }

    private async Task LoadOwnAsync()
    {
        await _own.LoadAsync();
        CountOwn();
    }

    /// <summary>Records the time of the call. The first call checks the client id and the memory of the silo.</summary>
    private void Admit()
    {
        Volatile.Write(ref _lastCalled, Environment.TickCount64);
        if (_isAdmitted) return;
        try
        {
            RateLimits.ValidateId(Client);
            if (!room.TryAdmit(this)) throw Overloaded("new clients are refused until others have left");
        }
        catch (ActorsException)
        {
            DeactivateOnIdle();
            throw;
        }

        _isAdmitted = true;
    }

    private Limiter AddLimiter(RateLimitPolicy policy)
    {
        var limiter = new Limiter(Client, policy, logs, counters, options.Value, this);
        if (_isLeaving) limiter.Leave();
        return _limiters[policy.Name] = limiter;
    }

    /// <summary>Removes limiters of policies that this client no longer has. Their grants are in Redis.</summary>
    private async Task DropUnusedAsync()
    {
        var unused = _limiters.Where(each => PolicyOf(each.Key) is null && each.Value.IsIdle).Select(each => each.Value).ToList();
        if (unused.Count < MaxUnused || _isLeaving) return;
        foreach (var limiter in unused)
        {
            // It may still get a call that found it before. That call must not wait: there is no timer for it any more.
            limiter.Leave();
            _limiters.Remove(limiter.Policy.Name);
            if (_timers.Remove(limiter.Policy.Name, out var timer)) timer.Dispose();
        }

        foreach (var limiter in unused) await limiter.CloseAsync();
    }

    private void AddBytes(long more)
    {
        // Closing took too long.
        if (_isGone) return;
        Volatile.Write(ref _bytes, _bytes + more);
        counters.AddBytes(more);
    }

    private void CountOwn()
    {
        var bytes = _own.Bytes;
        AddBytes(bytes - _ownBytes);
        _ownBytes = bytes;
    }

    private OverloadedException Overloaded(string why) => new(
        $"The limiters on this silo take {counters.Bytes} bytes "
            + $"({RateLimitOptions.Section}:{nameof(RateLimitOptions.MaxMemory)} is {room.MaxBytes}): {why}.",
        LimiterRoom.RetryAfter);

    private RateLimitPolicy? PolicyOf(string policy) => _own.Find(policy) ?? configured.Find(policy);

    private void PolicyChanged(string policy)
    {
        CountOwn();
        if (_limiters.TryGetValue(policy, out var limiter) && PolicyOf(policy) is { } changed) limiter.Policy = changed;
    }

    private ActorsException Unknown(string policy) => _own.IsLoaded
        ? new InvalidRateLimitException($"There is no policy {WellFormedText.Quote(policy)}; configured are {string.Join(", ", configured.Names)}, "
            + "and this client has no such policy of its own. "
            + $"Set {RateLimitOptions.Section}:{nameof(RateLimitOptions.Policies)}:{PrintableText.Of(policy)}:Windows in the silos' configuration.")
        : Unavailable($"policy {WellFormedText.Quote(policy)} is not configured, and the client's own policies cannot be read");

    private static StorageUnavailableException Unavailable(string why) => new("Redis", $"Redis is unreachable: {why}.");

    [LoggerMessage(EventId = 1804, Level = LogLevel.Error, Message = "Limiter {Client} failed unexpectedly")]
    private static partial void LogFailed(ILogger logger, string client, Exception error);

    [LoggerMessage(EventId = 1805, Level = LogLevel.Information, Message = "Limiter {Client} lost its log to another activation; deactivating")]
    private static partial void LogFenced(ILogger logger, string client);

    [LoggerMessage(EventId = 1806, Level = LogLevel.Information,
        Message = "Limiter {Client} ends with grants that are not in Redis; handing them over to the next activation")]
    private static partial void LogHandedOff(ILogger logger, string client);
}
