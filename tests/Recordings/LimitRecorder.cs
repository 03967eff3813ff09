namespace Actors.Recordings;

/// <summary>Uses up limits, wholly and in part, and notes what was granted.</summary>
/// <param name="actors">The cluster.</param>
internal sealed class LimitRecorder(ActorsClient actors)
{
    private const int AtOnce = 16;
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Month = TimeSpan.FromDays(31);

    private readonly List<RecordedClient> _clients = [];

    public IReadOnlyList<RecordedClient> Clients => _clients;

    /// <summary>Clients with several own policies and no grants.</summary>
    public async Task SetPoliciesAsync(string prefix, int count)
    {
        for (var i = 0; i < count; i++)
        {
            RateLimitPolicy[] policies =
            [
                new() { Name = "default", Windows = [new(10 + i, TimeSpan.FromSeconds(1)), new(1000, Hour)], OnRedisDown = (RedisDownBehavior)(i % 3) },
                new() { Name = $"api.{i}", Windows = [new(RateLimits.MaxLimit, Month)], IsShadow = i % 2 == 0 },
            ];
            foreach (var policy in policies) await actors.RateLimiter($"{prefix}-{i}").SetPolicyAsync(policy);
            _clients.Add(new($"{prefix}-{i}", policies, 0, []));
        }
    }

    /// <summary>Clients that have used all of a window (<paramref name="left"/> 0) or all but some permits of it.</summary>
    public async Task UseAsync(string prefix, int count, int left)
    {
        for (var i = 0; i < count; i++)
        {
            var id = $"{prefix}-{i}";
            RateLimitPolicy policy = new() { Name = "default", Windows = [new(40 + i, i % 2 == 0 ? Hour : Month), new(5000, Month - Hour)] };
            await actors.RateLimiter(id).SetPolicyAsync(policy);

            // Single permits, several at once, and requests with ids.
            var (limit, granted, grants) = (policy.Windows[0].Limit - left, 0, new List<RecordedGrant>());
            while (granted < limit)
            {
                var permits = Math.Min(1 + (granted % 3), limit - granted);
                var request = new RateLimitRequest { Permits = permits, RequestId = granted % 2 == 0 ? $"{id}/{granted}" : null };
                var decision = await GrantedAsync(id, request);
                if (request.RequestId is not null) grants.Add(new(request.RequestId, permits, decision.DecidedAt));
                granted += permits;
            }

            _clients.Add(new(id, [policy], granted, grants));
        }
    }

    /// <summary>A client with so many calls that the silo reserves permits ahead, up to the moment it is killed.</summary>
    public async Task UseOftenAsync(string id, int calls)
    {
        RateLimitPolicy policy = new() { Name = "default", Windows = [new(5000, Hour)] };
        await actors.RateLimiter(id).SetPolicyAsync(policy);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, calls), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (_, _) => await GrantedAsync(id, new()));
        _clients.Add(new(id, [policy], calls, []));
    }

    private async Task<RateLimitDecision> GrantedAsync(string id, RateLimitRequest request)
    {
        var decision = await actors.RateLimiter(id).AcquireAsync(request);
        return decision is { IsAllowed: true, Source: RateLimitSource.Redis } ? decision : throw new InvalidOperationException($"{id}: {decision}");
    }
}
