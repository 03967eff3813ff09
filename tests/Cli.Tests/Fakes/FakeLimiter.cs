namespace Actors.Cli.Tests.Fakes;

/// <summary>
/// A limiter like its grain: sliding logs, charged for all windows or none. No call waits; a wait that would be too long is
/// denied.
/// </summary>
internal sealed class FakeLimiter(string client, FakeCluster cluster) : IRateLimiterGrain
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<(DateTimeOffset At, int Permits, string? RequestId)>> _logs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RateLimitPolicy> _own = new(StringComparer.Ordinal);

    /// <summary>Every request of an acquire.</summary>
    public List<RateLimitRequest> Requests { get; } = [];

    /// <summary>The total number of permits charged.</summary>
    public long Charged { get; private set; }

    public async Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        RateLimits.Validate(request);
        lock (_gate)
        {
            Requests.Add(request);
            return Decide(request, isPeek: false);
        }
    }

    public async Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken = default) =>
        await Task.WhenAll(requests.Select(request => AcquireAsync(request, cancellationToken)));

    public async Task<RateLimitDecision> PeekAsync(
        string policy = RateLimits.DefaultPolicy, int permits = 1, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        lock (_gate)
            return Decide(new() { Policy = policy, Permits = permits }, isPeek: true);
    }

    public async Task<int> RefundAsync(string requestId, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        lock (_gate)
        {
            var freed = _logs.Values.SelectMany(log => log).Where(grant => grant.RequestId == requestId).Sum(grant => grant.Permits);
            foreach (var log in _logs.Values)
                log.RemoveAll(grant => grant.RequestId == requestId);
            return freed;
        }
    }

    public Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public async Task ResetAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        lock (_gate)
            _logs.Remove(Find(policy).Name);
    }

    public async Task SetPolicyAsync(RateLimitPolicy policy, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        RateLimits.Validate(policy);
        lock (_gate)
            _own[policy.Name] = policy;
    }

    public async Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        lock (_gate)
            return _own.Remove(policy);
    }

    public async Task<RateLimitPolicy> GetPolicyAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default)
    {
        await cluster.BeforeLimit(client);
        lock (_gate)
            return Find(policy);
    }

    private RateLimitPolicy Find(string name) =>
        _own.GetValueOrDefault(name) ?? cluster.Policies.GetValueOrDefault(name)
            ?? throw new InvalidRateLimitException($"There is no policy '{name}'.");

    private RateLimitDecision Decide(RateLimitRequest request, bool isPeek)
    {
        var policy = Find(request.Policy);
        if (request.Permits > policy.Windows.Min(window => window.Limit))
            throw new InvalidRateLimitException($"Permits is {request.Permits}; use 1 to {policy.Windows.Min(window => window.Limit)}.");
        var log = _logs.TryGetValue(policy.Name, out var found) ? found : _logs[policy.Name] = [];
        var now = TimeProvider.System.GetUtcNow();
        var isRepeated = request.RequestId is { } id && log.Exists(grant => grant.RequestId == id);

        int Used(RateLimitWindow window) => log.Where(grant => grant.At > now - window.Duration).Sum(grant => grant.Permits);

        var isAllowed = isRepeated || policy.Windows.All(window => Used(window) + request.Permits <= window.Limit);
        if (isAllowed && !isRepeated && !isPeek)
        {
            log.Add((now, request.Permits, request.RequestId));
            Charged += request.Permits;
        }
        // A peek reports the permits as if it had been granted.
        var seen = isPeek && isAllowed ? request.Permits : 0;
        var binding = policy.Windows.MinBy(window => window.Limit - Used(window))!;
        return new()
        {
            IsAllowed = isAllowed || policy.IsShadow,
            IsShadowDenial = !isAllowed && policy.IsShadow,
            Policy = policy.Name,
            Window = binding,
            Windows = policy.Windows,
            Remaining = binding.Limit - Used(binding) - seen,
            RetryAfter = isAllowed || policy.IsShadow ? TimeSpan.Zero : log[0].At + binding.Duration - now,
            ResetAfter = log.Count == 0 ? TimeSpan.Zero : log[^1].At + binding.Duration - now,
            Source = cluster.IsRedisAway ? RateLimitSource.Local : RateLimitSource.Redis,
            DecidedAt = now,
        };
    }
}
