namespace Actors.Bench.Limits;

/// <summary>A way to acquire one permit of a client's default policy; true if it is granted.</summary>
internal delegate ValueTask<bool> LimitCall();

/// <summary>The ways an app can call a limiter.</summary>
internal static class LimitCalls
{
    // Every answer must come from the silo, not from the library's fallback.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>One grain call per acquire.</summary>
    public static LimitCall ByGrain(BenchSilo silo, string client)
    {
        var grain = silo.Grains.GetGrain<IRateLimiterGrain>(client);
        return async () => (await grain.AcquireAsync(RateLimitRequest.Default)).IsAllowed;
    }

    /// <summary>
    /// The client library's limiter, which coalesces the calls of concurrent callers. Not disposed, because it holds no
    /// resources.
    /// </summary>
    public static LimitCall ByLibrary(BenchSilo silo, string client)
    {
        var limiter = new GrainRateLimiter(new ActorsClient(silo.Grains), client, new() { CallTimeout = Longest });
        return async () => (await limiter.AcquireAsync()).IsAcquired;
    }

    /// <summary>The used permits of a client's default policy. A peek counts one more as used.</summary>
    public static async Task<int> UsedAsync(IRateLimiterGrain grain)
    {
        var look = await grain.PeekAsync();
        return look.Limit - look.Remaining - (look.IsAllowed ? 1 : 0);
    }
}
