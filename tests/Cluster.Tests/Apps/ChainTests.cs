using System.Threading.RateLimiting;
using Actors.Fixtures;
using Microsoft.AspNetCore.Http;

namespace Actors.Cluster.Tests.Apps;

/// <summary>Limiters of the cluster combined with others: a request that one denies is charged by none.</summary>
public sealed class ChainTests(AppCluster apps) : IClassFixture<AppCluster>
{
    private readonly string _key = Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Permits_are_refunded_if_a_later_limiter_denies(bool isPartitioned)
    {
        await using var grain = new GrainRateLimiter(apps.Client, _key, Options);
        await using var one = new ConcurrencyLimiter(new() { PermitLimit = 1, QueueLimit = 0 });
        await using var chain = RateLimiterChain.Create(grain, one);
        await using var partitioned = RateLimiterChain.Create(
            Partitioned(),
            PartitionedRateLimiter.Create<string, int>(_ => RateLimitPartition.GetConcurrencyLimiter(0, _ => new() { PermitLimit = 1, QueueLimit = 0 })));
        var leases = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(async () =>
            isPartitioned ? await partitioned.AcquireAsync(_key) : await chain.AcquireAsync())));
        Assert.Single(leases, lease => lease.IsAcquired);
        await LeftAsync(9);

        // A used lease stays charged.
        foreach (var lease in leases) lease.Dispose();
        using var next = isPartitioned ? partitioned.AttemptAcquire(_key) : chain.AttemptAcquire();
        Assert.True(next.IsAcquired);
        Assert.False((isPartitioned ? partitioned.AttemptAcquire(_key) : chain.AttemptAcquire()).IsAcquired);
        await LeftAsync(8);
    }

    [Fact]
    public async Task NET_chain_in_the_right_order_charges_only_granted_requests()
    {
        await using var chain = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<string, int>(_ => RateLimitPartition.GetConcurrencyLimiter(0, _ => new() { PermitLimit = 1, QueueLimit = 0 })),
            Partitioned());
        var leases = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(async () => await chain.AcquireAsync(_key))));
        Assert.Equal(10 - leases.Count(lease => lease.IsAcquired), await RemainingAsync());
    }

    [Fact]
    public async Task Cluster_limiter_refunds_denied_and_cancelled_requests()
    {
        var other = _key + "-other";
        await apps.Client.RateLimiter(other).SetPolicyAsync(new() { Name = AppCluster.Search, Windows = [new(1, TimeSpan.FromMinutes(10))] });
        await using var first = new GrainRateLimiter(apps.Client, _key, Options);
        await using var second = new GrainRateLimiter(apps.Client, other, Options);
        await using var waiting = new ConcurrencyLimiter(new() { PermitLimit = 1, QueueLimit = 1 });
        await using var chain = RateLimiterChain.Create(first, waiting, second);
        using var used = await chain.AcquireAsync();
        Assert.True(used.IsAcquired);

        using (var gone = new CancellationTokenSource(TimeSpan.FromMilliseconds(200)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await chain.AcquireAsync(1, gone.Token));
        await LeftAsync(9);
        used.Dispose();
        for (var i = 0; i < 3; i++) Assert.False((await chain.AcquireAsync()).IsAcquired);
        await LeftAsync(9);
    }

    [Fact]
    public async Task Global_limiter_is_not_charged_if_the_endpoint_limiter_denies()
    {
        await using var global = new GrainPartitionedRateLimiter<HttpContext>(apps.Client, _ => new(_key), Options);
        await using var app = await LimitedApp.StartAsync(
            apps.Client, limits => limits.ClientIdFrom(_ => _key + "-endpoint"), configureLimiter: limiter => limiter.GlobalLimiter = global);
        await apps.Client.RateLimiter(_key + "-endpoint").SetPolicyAsync(
            new() { Name = AppCluster.Search, Windows = [new(2, TimeSpan.FromMinutes(10))] });
        var statuses = new List<int>();
        for (var i = 0; i < 8; i++) statuses.Add(await app.StatusAsync("/search", ""));
        Assert.Equal(2, statuses.Count(status => status == 200));
        await LeftAsync(8);
    }

    private static GrainRateLimiterOptions Options => new() { Policy = AppCluster.Search, CallTimeout = TimeSpan.FromSeconds(30) };

    private GrainPartitionedRateLimiter<string> Partitioned() => new(apps.Client, key => new(key), Options);

    // A refund is a call in the background.
    private Task LeftAsync(int permits) => Eventually.IsTrueAsync(async () => await RemainingAsync() == permits, TimeSpan.FromSeconds(20));

    private async Task<int> RemainingAsync()
    {
        var peek = await apps.Client.RateLimiter(_key).PeekAsync(AppCluster.Search);
        return peek.Remaining + (peek.IsAllowed ? 1 : 0);
    }
}
