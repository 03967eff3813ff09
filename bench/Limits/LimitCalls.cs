namespace Actors.Bench.Limits;

/// <summary>A way to ask for one permit of the default policy of a client; true where it is granted.</summary>
internal delegate ValueTask<bool> LimitCall();

/// <summary>The ways an app may go.</summary>
internal static class LimitCalls
{
    // No answer may be one that the library made up in the silo's stead.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>A grain call for each.</summary>
    public static LimitCall ByGrain(BenchSilo silo, string client)
    {
        var grain = silo.Grains.GetGrain<IRateLimiterGrain>(client);
        return async () => (await grain.AcquireAsync(RateLimitRequest.Default)).IsAllowed;
    }

    /// <summary>The client library's limiter, which sends the calls of callers that wait together. Not disposed of: it holds nothing.</summary>
    public static LimitCall ByLibrary(BenchSilo silo, string client)
    {
        var limiter = new GrainRateLimiter(new ActorsClient(silo.Grains), client, new() { CallTimeout = Longest });
        return async () => (await limiter.AcquireAsync()).IsAcquired;
    }

    /// <summary>The permits used of the default policy of a client, by a look that sees one more as if it were used.</summary>
    public static async Task<int> UsedAsync(IRateLimiterGrain grain)
    {
        var look = await grain.PeekAsync();
        return look.Limit - look.Remaining - (look.IsAllowed ? 1 : 0);
    }
}
