using Actors.Resilience;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Storage;

namespace Actors.RateLimiting;

/// <summary>
/// The limits of one client: finds the policy that counts and the <see cref="Limiter"/> that holds it, and remembers requests
/// by their id.
/// </summary>
/// <remarks>
/// The grain is re-entrant: all fields, and the limiters, are touched by its turns only, one at a time, but any await may let
/// another call run.
/// </remarks>
[Reentrant]
[GrainType("rate-limiter")]
[CollectionAgeLimit(Minutes = 2)]
internal sealed partial class RateLimiterGrain(
    ConfiguredPolicies configured, [FromKeyedServices(OwnPolicies.Storage)] IGrainStorage storage, RedisGateway redis, GrantLogs logs,
    MembershipLease lease, LimiterCounters counters, IOptions<RateLimitOptions> options, TimeProvider time, ILogger<RateLimiterGrain> logger)
    : Grain, IRateLimiterGrain, ILimiterHost, IGrainMigrationParticipant, IHoldsCalls
{
    private const string Migrated = "unsynced";
    private static readonly TimeSpan RetryWhenFull = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestStay = TimeSpan.FromHours(1);

    // By policy.
    private readonly Dictionary<string, Limiter> _limiters = [];
    private readonly Dictionary<Limiter, IGrainTimer> _timers = [];

    // Requests with an id that are being decided; the same one again waits with the first. Each takes itself out before it ends.
    private readonly Dictionary<string, (RateLimitRequest Request, Task<RateLimitDecision> Decision)> _deciding = [];
    private OwnPolicies _own = null!;
    private NamedGrants _named = null!;

    // Set before the first call, then only read. Null before.
    private volatile TaskScheduler? _turns;
    private bool _isLeaving;

    // Of the activation before, by policy: time and permits of grants that are not in Redis, until a limiter takes them over.
    private Dictionary<string, long[]> _migrated = [];

    private string Client => this.GetPrimaryKeyString();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _own = new OwnPolicies(this.GetGrainId(), storage, redis, time, logger);
        _named = new NamedGrants(Client, logs);
        counters.AddClients(1);
        _turns = TaskScheduler.Current;
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        counters.AddClients(-1);
        foreach (var limiter in _limiters.Values)
        {
            await limiter.CloseAsync().WaitAsync(cancellationToken);
            if (limiter.IsUnsynced && reason.ReasonCode != DeactivationReasonCode.Migrating) LogLost(logger, Client, limiter.Policy.Name);
        }
    }

    public async Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken)
    {
        RateLimits.Validate(request);
        var limiter = await LimiterAsync(request.Policy);
        limiter.Check(request.Permits);
        return request.RequestId is null
            ? (await limiter.AcquireAsync(1, request.Permits, null, request.MaxWait, cancellationToken))[0]
            : await AcquireNamedAsync(limiter, request, cancellationToken);
    }

    public async Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken)
    {
        var limiters = await LimitersAsync(requests);
        if (Array.Exists(requests, request => request.RequestId is not null))
        {
            await _named.LoadAsync();
            CheckNames(requests);
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
        CheckClient();
        RateLimits.ValidateRequestId(requestId);
        await lease.EnsureNotEvictedAsync();
        await _named.LoadAsync();

        // What becomes of it is told to who asked for it.
        if (_deciding.TryGetValue(requestId, out var deciding)) await Task.WhenAny(deciding.Decision);
        if (_named.Find(requestId) is not { } grant)
            return _named.IsLoaded ? 0 : throw Unavailable("the grants to requests with an id cannot be read");
        if (PolicyOf(grant.Policy) is null) return 0;
        var limiter = await LimiterAsync(grant.Policy);

        // Taken out first: the same once more, at the same time, finds it no longer.
        if (!_named.Remove(requestId)) return 0;
        try
        {
            return await limiter.RefundAsync(NamedGrant.Format(grant.Policy, grant.Permits, requestId), grant.Permits, grant.At);
        }
        catch (StorageUnavailableException)
        {
            _named.Add(requestId, grant);
            throw;
        }
    }

    public async Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken)
    {
        CheckClient();
        if (grants is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {grants?.Length ?? 0} grants; allowed are 1 to {RateLimits.MaxBatch}.");
        foreach (var grant in grants) RateLimits.Validate(new RateLimitRequest { Policy = grant.Policy, Permits = grant.Permits });
        var freed = 0;
        foreach (var policy in grants.GroupBy(grant => grant.Policy))
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
        CheckClient();
        RateLimits.Validate(policy);
        await lease.EnsureNotEvictedAsync();
        await _own.SetAsync(policy.Name, policy);
        PolicyChanged(policy.Name);
    }

    public async Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken)
    {
        CheckClient();
        RateLimits.ValidatePolicyName(policy);
        await lease.EnsureNotEvictedAsync();
        await _own.LoadAsync();
        var wasThere = _own.Find(policy) is not null;
        if (wasThere || !_own.IsLoaded) await _own.SetAsync(policy, null);
        PolicyChanged(policy);
        return wasThere;
    }

    public async Task<RateLimitPolicy> GetPolicyAsync(string policy, CancellationToken cancellationToken)
    {
        RateLimits.ValidatePolicyName(policy);
        CheckClient();
        await lease.EnsureNotEvictedAsync();
        await _own.LoadAsync();
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

    void ILimiterHost.WakeAfter(Limiter limiter, TimeSpan due)
    {
        if (_timers.TryGetValue(limiter, out var timer))
        {
            timer.Change(due, Timeout.InfiniteTimeSpan);
            return;
        }

        _timers[limiter] = this.RegisterGrainTimer(
            static (limiter, _) =>
            {
                limiter.Wake();
                return Task.CompletedTask;
            },
            limiter,
            new() { DueTime = due, Period = Timeout.InfiniteTimeSpan, Interleave = true, KeepAlive = true });
    }

    void ILimiterHost.Fenced()
    {
        LogFenced(logger, Client);
        _named.Forget();
        DeactivateOnIdle();
    }

    void ILimiterHost.IsUnsynced(TimeSpan longest) => DelayDeactivation(longest < LongestStay ? longest : LongestStay);

    void ILimiterHost.Failed(Exception error) => LogFailed(logger, Client, error);

    void IGrainMigrationParticipant.OnDehydrate(IDehydrationContext context)
    {
        var unsynced = _limiters.Values.Where(limiter => limiter.IsUnsynced).ToDictionary(
            limiter => limiter.Policy.Name,
            limiter => limiter.UnsyncedGrants().SelectMany(grant => new[] { grant.At, grant.Permits }).ToArray());
        if (unsynced.Count > 0) context.TryAddValue(Migrated, unsynced);
    }

    void IGrainMigrationParticipant.OnRehydrate(IRehydrationContext context)
    {
        if (context.TryGetValue<Dictionary<string, long[]>>(Migrated, out var unsynced) && unsynced is not null) _migrated = unsynced;
    }

    private async Task<RateLimitDecision> AcquireNamedAsync(Limiter limiter, RateLimitRequest request, CancellationToken cancellationToken)
    {
        var requestId = request.RequestId!;
        var began = time.GetTimestamp();
        await _named.LoadAsync();
        while (_deciding.TryGetValue(requestId, out var first))
        {
            await Task.WhenAny(first.Decision).WaitAsync(cancellationToken);
            if (!IsSame(request, first.Request) || !first.Decision.IsCompletedSuccessfully) continue;
            return await first.Decision;
        }

        if (_named.Find(requestId) is { } grant)
        {
            CheckSame(request, grant);
            return await limiter.RepeatedAsync(grant.At);
        }

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
            // A caller that left while the names were read, and asked to give the grant back, gets none afterwards.
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
            $"The request id {WellFormedText.Quote(request.RequestId!)} is that of {grant.Permits} permits of policy '{grant.Policy}';"
            + $" allowed is the same again, and this asks for {request.Permits} of '{request.Policy}'.");
    }

    private async Task<Dictionary<string, Limiter>> LimitersAsync(RateLimitRequest[]? requests)
    {
        if (requests is not { Length: >= 1 and <= RateLimits.MaxBatch })
            throw new InvalidRateLimitException($"The call has {requests?.Length ?? 0} requests; allowed are 1 to {RateLimits.MaxBatch}.");
        var limiters = new Dictionary<string, Limiter>();
        foreach (var request in requests)
        {
            RateLimits.Validate(request);
            if (request.MaxWait > TimeSpan.Zero)
                throw new InvalidRateLimitException($"MaxWait is {request.MaxWait} in a call of several requests; allowed is {TimeSpan.Zero}.");
            if (!limiters.TryGetValue(request.Policy, out var limiter))
                limiters[request.Policy] = limiter = await LimiterAsync(request.Policy);
            limiter.Check(request.Permits);
        }

        return limiters;
    }

    /// <exception cref="InvalidRateLimitException">One has the id of another: nothing is charged for any.</exception>
    private void CheckNames(RateLimitRequest[] requests)
    {
        var named = new Dictionary<string, NamedGrant>();
        foreach (var request in requests)
        {
            if (request.RequestId is not { } requestId) continue;
            if (!named.TryGetValue(requestId, out var grant))
                named[requestId] = grant = _named.Find(requestId) ?? new(request.Policy, request.Permits, 0);
            CheckSame(request, grant);
        }
    }

    /// <exception cref="SiloEvictedException">This silo was declared dead: its copy of the log, and of the policy, may be old.</exception>
    private async ValueTask<Limiter> LimiterAsync(string policy)
    {
        if (!lease.IsValid) await lease.EnsureNotEvictedAsync();
        if (!_own.IsLoaded) await _own.LoadAsync();
        var found = PolicyOf(policy) ?? throw Unknown(policy);
        if (!_limiters.TryGetValue(policy, out var limiter)) return CreateLimiter(policy, found);
        limiter.Policy = found;
        return limiter;
    }

    private Limiter CreateLimiter(string policy, RateLimitPolicy found)
    {
        CheckClient();
        if (_limiters.Count == 0 && counters.Bytes >= options.Value.MaxMemory)
        {
            DeactivateOnIdle();
            throw new OverloadedException(
                $"The logs of grants on this silo take {counters.Bytes} bytes, and {RateLimitOptions.Section}:{nameof(RateLimitOptions.MaxMemory)}"
                + $" is {options.Value.MaxMemory}: clients that are not on it are refused.",
                RetryWhenFull);
        }

        var limiter = new Limiter(Client, found, logs, counters, options.Value, this);
        if (_migrated.Remove(policy, out var grants)) limiter.TakeOver([.. grants.Chunk(2).Select(grant => (grant[0], grant[1]))]);
        if (_isLeaving) limiter.Leave();
        return _limiters[policy] = limiter;
    }

    private RateLimitPolicy? PolicyOf(string policy) => _own.Find(policy) ?? configured.Find(policy);

    private void PolicyChanged(string policy)
    {
        if (_limiters.TryGetValue(policy, out var limiter) && PolicyOf(policy) is { } changed) limiter.Policy = changed;
    }

    private void CheckClient()
    {
        if (_limiters.Count == 0) RateLimits.ValidateId(Client);
    }

    private ActorsException Unknown(string policy) => _own.IsLoaded
        ? new InvalidRateLimitException($"There is no policy '{policy}'; configured are {string.Join(", ", configured.Names)}, and this client has no such policy of its own.")
        : Unavailable($"policy '{policy}' is not configured, and whether this client has one of its own cannot be read");

    private static StorageUnavailableException Unavailable(string why) => new("Redis", $"Redis is away: {why}.");

    [LoggerMessage(Level = LogLevel.Error, Message = "Limiter {Client} failed, and not because Redis is away")]
    private static partial void LogFailed(ILogger logger, string client, Exception error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Another activation of limiter {Client} has taken over its log; this one goes")]
    private static partial void LogFenced(ILogger logger, string client);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Limiter {Client} goes with grants of policy {Policy} that Redis does not know: they count no more")]
    private static partial void LogLost(ILogger logger, string client, string policy);
}
