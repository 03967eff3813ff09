namespace Actors.Contracts;

/// <summary>Grants without a request id that were not used.</summary>
public abstract partial class LimiterContract
{
    [Fact]
    public async Task Unused_grants_are_freed_and_no_others()
    {
        var limiter = Open("unused", new RateLimitWindow(10, Minute));
        var first = await limiter.AcquireAsync(2);

        // Grants within a millisecond cannot be told apart, so one of them could be returned twice.
        await Task.Delay(5);
        var second = await limiter.AcquireAsync(3);
        Assert.Equal(2, await RefundUnusedAsync(limiter, (first, 2)));
        Assert.Equal(0, await RefundUnusedAsync(limiter, (first, 2)));
        Assert.Equal(1, await RefundUnusedAsync(limiter, (second, 1)));
        Assert.Equal(7, (await limiter.AcquireAsync(1)).Remaining);

        // Redis has recorded it.
        await limiter.RunAsync(limiter.Limiter.CloseAsync);
        Assert.Equal(6, (await Open("unused", new RateLimitWindow(10, Minute)).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Unused_grants_from_a_reserve_are_freed()
    {
        var limiter = Open("unused-reserve", new RateLimitWindow(1000, Minute), Much);
        var granted = new List<RateLimitDecision>();
        for (var i = 0; i < 100; i++) granted.Add(await limiter.AcquireAsync(1));
        Assert.InRange(limiter.Counters.ScriptCalls, 1, 50);
        Assert.Equal(50, await RefundUnusedAsync(limiter, [.. granted.Skip(50).Select(decision => (decision, 1))]));
        Assert.Equal(949, (await limiter.AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Unused_grant_does_not_rewrite_a_long_log()
    {
        var limiter = Open("unused-long", new RateLimitWindow(RateLimits.MaxLimit, Minute));
        RateLimitDecision last = null!;
        for (var i = 0; i < 1001; i++) last = await limiter.AcquireAsync(1);
        Assert.Equal(0, await RefundUnusedAsync(limiter, (last, 1)));
    }

    private static Task<int> RefundUnusedAsync(LimiterActor limiter, params (RateLimitDecision Granted, int Permits)[] grants) =>
        limiter.RunAsync(() => limiter.Limiter.RefundUnusedAsync(
            [.. grants.Select(grant => ((grant.Granted.DecidedAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, grant.Permits))]));
}
