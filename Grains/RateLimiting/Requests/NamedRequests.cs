namespace Actors.RateLimiting;

/// <summary>The requests of one client that have an id: each is charged once, however often it is repeated.</summary>
/// <remarks>
/// Belongs to one grain, which is reentrant. Its turns run one at a time, but any await may let another call run.
/// </remarks>
internal sealed class NamedRequests(string client, RequestIdCache grants, Resident resident, RateLimitOptions options, TimeProvider time)
{
    // A client may remember this many requests even if the silo is full and the client exceeds its share.
    private const int AlwaysNamed = 100;

    // The minimum of calls that may wait for another call with the same request id: as many as may be repeated at once.
    private const int FewestFollowers = 100;

    // Requests that are being decided. A repeated request waits for the first one. Each removes itself before it ends.
    private readonly Dictionary<string, (RateLimitRequest Request, Task<RateLimitDecision> Decision)> _deciding = [];
    private int _followers;

    /// <summary>True if none is being decided.</summary>
    public bool IsIdle => _deciding.Count == 0;

    /// <summary>Decides a request, or repeats the decision of the same one.</summary>
    /// <exception cref="InvalidRateLimitException">The id was used for a different request.</exception>
    /// <exception cref="OverloadedException">Too many calls wait for the same request, or no further id can be remembered.</exception>
    public async Task<RateLimitDecision> AcquireAsync(Limiter limiter, RateLimitRequest request, CancellationToken cancellationToken)
    {
        var requestId = request.RequestId!;
        var began = time.GetTimestamp();
        await grants.LoadAsync();
        while (_deciding.TryGetValue(requestId, out var first))
        {
            await FollowAsync(first.Decision, cancellationToken);
            if (!IsSame(request, first.Request) || !first.Decision.IsCompletedSuccessfully) continue;
            return await first.Decision;
        }

        if (grants.Find(requestId) is { } grant)
        {
            CheckSame(request, grant);
            return await limiter.RepeatedAsync(grant.At);
        }

        limiter.CheckNames();
        if (grants.Count >= AlwaysNamed && resident.IsOverShare) throw resident.Overloaded("a client above its share cannot add request ids");
        var left = request.MaxWait - time.GetElapsedTime(began);
        var deciding = DecideAsync(limiter, request with { MaxWait = left > TimeSpan.Zero ? left : TimeSpan.Zero }, cancellationToken);
        if (!deciding.IsCompleted) _deciding.Add(requestId, (request, deciding));
        return await deciding;
    }

    /// <summary>Loads the earlier requests if Redis is reachable.</summary>
    public Task LoadAsync() => grants.LoadAsync();

    /// <summary>Another activation has granted meanwhile, so the earlier requests must be loaded again.</summary>
    public void Forget() => grants.Forget();

    /// <summary>Checks the ids of requests that one call makes. They must be decided in the same turn.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// One request reuses an id for a different request. Nothing is charged for any of them.
    /// </exception>
    public void Check(RateLimitRequest[] requests, Dictionary<string, Limiter> limiters)
    {
        var named = new Dictionary<string, NamedGrant>();
        foreach (var request in requests)
        {
            if (request.RequestId is not { } requestId) continue;
            limiters[request.Policy].CheckNames();
            if (!named.TryGetValue(requestId, out var grant))
                named[requestId] = grant = grants.Find(requestId) ?? new(request.Policy, request.Permits, 0);
            CheckSame(request, grant);
        }
    }

    /// <summary>The grant of a request, also if it is being decided; null if it was not granted.</summary>
    /// <exception cref="StorageUnavailableException">The earlier requests are not known, because Redis is unreachable.</exception>
    public async Task<NamedGrant?> FindAsync(string requestId)
    {
        await grants.LoadAsync();

        // The caller of the acquire observes its failure; here only the end matters.
        if (_deciding.TryGetValue(requestId, out var deciding)) await Task.WhenAny(deciding.Decision);
        if (grants.Find(requestId) is { } grant) return grant;
        return grants.IsLoaded ? null : throw LimiterErrors.Unavailable("Redis is unreachable: the client's request ids cannot be read.");
    }

    /// <summary>Gives a grant back.</summary>
    /// <returns>The permits that become free.</returns>
    public async Task<int> RefundAsync(Limiter limiter, string requestId, NamedGrant grant)
    {
        // Removed first, so that a concurrent refund of the same id finds nothing.
        if (!grants.Remove(requestId)) return 0;
        try
        {
            return await limiter.RefundAsync(NamedGrant.Format(grant.Policy, grant.Permits, requestId), grant.Permits, grant.At);
        }
        catch (ActorsException)
        {
            grants.Add(requestId, grant);
            throw;
        }
    }

    private async Task FollowAsync(Task<RateLimitDecision> first, CancellationToken cancellationToken)
    {
        if (_followers >= Math.Max(FewestFollowers, options.MaxWaiting))
        {
            throw new OverloadedException(
                $"{_followers} calls of client {WellFormedText.Quote(client)} wait for another one with the same request id; no more may.",
                LimiterRoom.RetryAfter);
        }

        _followers++;
        resident.AddBytes(WaitingLine.CallBytes);
        try
        {
            await Task.WhenAny(first).WaitAsync(cancellationToken);
        }
        finally
        {
            _followers--;
            resident.AddBytes(-WaitingLine.CallBytes);
        }
    }

    private async Task<RateLimitDecision> DecideAsync(Limiter limiter, RateLimitRequest request, CancellationToken cancellationToken)
    {
        var (policy, requestId) = (request.Policy, request.RequestId!);
        var name = NamedGrant.Format(policy, request.Permits, requestId);
        try
        {
            // A caller that left while the names were loaded, and gave the grant back, must not get another one.
            cancellationToken.ThrowIfCancellationRequested();
            var decision = (await limiter.AcquireAsync(1, request.Permits, name, request.MaxWait, cancellationToken))[0];
            if (decision is { IsAllowed: true, IsShadowDenial: false })
                grants.Add(requestId, new(policy, request.Permits, DecisionFactory.ToMicroseconds(decision.DecidedAt)));
            return decision;
        }
        finally
        {
            _deciding.Remove(requestId);
        }
    }

    private static bool IsSame(RateLimitRequest request, RateLimitRequest other) =>
        request.Policy == other.Policy && request.Permits == other.Permits;

    private static void CheckSame(RateLimitRequest request, NamedGrant grant)
    {
        if (grant.Policy == request.Policy && grant.Permits == request.Permits) return;
        throw new InvalidRateLimitException(
            $"The request id {WellFormedText.Quote(request.RequestId!)} was used for {grant.Permits} permits of policy '{grant.Policy}';"
            + $" this call asks for {request.Permits} of '{request.Policy}'. Repeat the same request or use a new id.");
    }
}
