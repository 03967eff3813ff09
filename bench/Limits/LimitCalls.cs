namespace Actors.Bench.Limits;

/// <summary>A way to ask for one permit of the default policy of a client; true where it is granted.</summary>
internal delegate ValueTask<bool> LimitCall();

/// <summary>The ways an app may go.</summary>
internal static class LimitCalls
{
    /// <summary>A grain call for each.</summary>
    public static LimitCall ByGrain(BenchSilo silo, string client)
    {
        var grain = silo.Grains.GetGrain<IRateLimiterGrain>(client);
        return async () => (await grain.AcquireAsync(RateLimitRequest.Default)).IsAllowed;
    }

    /// <summary>The permits used of the default policy of a client, by a look that sees one more as if it were used.</summary>
    public static async Task<int> UsedAsync(IRateLimiterGrain grain)
    {
        var look = await grain.PeekAsync();
        return look.Limit - look.Remaining - (look.IsAllowed ? 1 : 0);
    }
}
