using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>The cost of decisions in Redis, by its own statistics.</summary>
[Collection(LimiterCollection.Name)]
public sealed class CostTests(LimiterCluster cluster)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Thousand_denials_of_a_full_window_take_few_scripts()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, Hour));
        await limiter.AcquireAsync(new() { Permits = 10 });
        var before = await cluster.ScriptCallsAsync();
        for (var i = 0; i < 500; i++) Assert.False((await limiter.AcquireAsync(new())).IsAllowed);
        var decisions = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => limiter.AcquireAsync(new())));
        Assert.All(decisions, decision => Assert.Equal((false, RateLimitSource.Redis), (decision.IsAllowed, decision.Source)));
        Assert.InRange(await cluster.ScriptCallsAsync() - before, 0, 5);
    }

    [Fact]
    public async Task Ten_thousand_concurrent_calls_take_fewer_than_two_hundred_scripts()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(1_000_000, Hour));
        await limiter.AcquireAsync(new());
        var before = await cluster.ScriptCallsAsync();
        var decisions = await Task.WhenAll(Enumerable.Range(0, 10_000).Select(_ => limiter.AcquireAsync(new())));
        Assert.All(decisions, decision => Assert.True(decision.IsAllowed));
        Assert.InRange(await cluster.ScriptCallsAsync() - before, 1, 199);
        Assert.Equal(1_000_000 - 10_002, (await limiter.AcquireAsync(new())).Remaining);
    }

    [Fact]
    public async Task Busy_client_gets_several_grants_per_script_and_keeps_them_when_it_moves()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10_000, Hour));
        var before = await cluster.ScriptCallsAsync();
        for (var i = 1; i <= 1000; i++) Assert.Equal(10_000 - i, (await limiter.AcquireAsync(new())).Remaining);
        Assert.InRange(await cluster.ScriptCallsAsync() - before, 1, 300);

        // The next activation knows only the data in Redis.
        await TestCluster.DeactivateAsync(limiter);
        Assert.Equal(10_000 - 1001, (await limiter.AcquireAsync(new())).Remaining);
    }
}
