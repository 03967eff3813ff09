using Actors.Fixtures;
using Orleans.Core.Internal;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Calls that wait while their activation must deactivate: they must not block it or the calls behind them.</summary>
[Collection(LimiterCollection.Name)]
public sealed class WaitingTests(LimiterCluster cluster, ServersFixture servers)
{
    private static readonly RateLimitWindow Slow = Per(3, TimeSpan.FromSeconds(12));
    private static readonly RateLimitRequest Waiting = new() { MaxWait = RateLimits.MaxWait };

    // Far below the maximum wait and call time, far above the time of a move.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(8);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Waiting_call_does_not_block_deactivation_or_migration(bool isMigrating, bool isNamed)
    {
        var (limiter, _) = await cluster.LimitedAsync(Slow);
        Assert.True((await limiter.AcquireAsync(new() { Permits = Slow.Limit })).IsAllowed);
        var began = DateTime.UtcNow;

        var request = Waiting with { RequestId = isNamed ? "a" : null };
        var waiting = Enumerable.Range(0, isNamed ? 1 : 3).Select(_ => limiter.AcquireAsync(request)).ToList();
        await Eventually.IsTrueAsync(async () =>
            (await cluster.Cluster.Cluster.GetStatusAsync()).Silos.Sum(silo => silo.RateLimits.Waiting) == waiting.Count);

        if (isMigrating) await cluster.Cluster.MigrateAsync(limiter);
        else await limiter.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        Assert.False((await limiter.PeekAsync().WaitAsync(Soon)).IsAllowed);
        foreach (var each in waiting) await Assert.ThrowsAsync<LimiterMovedException>(() => each.WaitAsync(Soon));

        // Follows the client library.
        var left = RateLimits.MaxWait - (DateTime.UtcNow - began);
        Assert.True((await limiter.AcquireAsync(request with { MaxWait = left })).IsAllowed);
    }

    [Fact]
    public async Task Waiting_calls_of_the_client_are_batched_and_evict_no_request_id()
    {
        var (limiter, client) = await cluster.LimitedAsync(Per(100, TimeSpan.FromMinutes(10)));
        await using var waiting = new GrainRateLimiter(new ActorsClient(cluster.Cluster.Silos.Client), client, new() { MaxWait = RateLimits.MaxWait });
        var leases = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => waiting.AcquireAsync().AsTask()));
        Assert.All(leases, lease => Assert.True(lease.IsAcquired));
        Assert.Equal(0, (await limiter.PeekAsync()).Remaining);
        Assert.DoesNotContain(await cluster.KeysAsync(client), key => ((string)key!).Contains(":requests:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Grant_of_a_cancelled_call_is_refunded_once_by_its_id()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, TimeSpan.FromMinutes(10)));
        var request = Waiting with { Permits = 4, CallId = Guid.NewGuid() };
        var unused = new UnusedGrant(request.Policy, request.Permits, default) { CallId = request.CallId };
        Assert.Equal(0, await limiter.RefundUnusedAsync([unused]));
        Assert.True((await limiter.AcquireAsync(request)).IsAllowed);
        Assert.Equal(5, (await limiter.PeekAsync()).Remaining);
        Assert.Equal(0, await limiter.RefundUnusedAsync([unused with { CallId = Guid.NewGuid() }]));
        Assert.Equal(4, await limiter.RefundUnusedAsync([unused]));
        Assert.Equal(0, await limiter.RefundUnusedAsync([unused]));
        Assert.Equal(9, (await limiter.PeekAsync()).Remaining);
    }

    [Fact]
    public async Task Waiting_call_is_released_when_another_activation_takes_over_the_log()
    {
        var prefix = "fenced-" + Guid.NewGuid().ToString("n");
        await using var one = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, keyPrefix: prefix);
        await using var other = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, keyPrefix: prefix);
        var client = AnyClient();
        var policy = new RateLimitPolicy { Name = RateLimits.DefaultPolicy, Windows = [Per(3, TimeSpan.FromSeconds(4))] };
        foreach (var each in (TestCluster[])[one, other]) await each.Limiter(client).SetPolicyAsync(policy);
        Assert.True((await one.Limiter(client).AcquireAsync(new() { Permits = 3 })).IsAllowed);
        var first = one.Limiter(client).AcquireAsync(Waiting);
        await one.Limiter(client).PeekAsync();
        var second = one.Limiter(client).AcquireAsync(Waiting with { Permits = 3 });
        await one.Limiter(client).PeekAsync();

        // This call makes it the owner. The other activation notices at the turn of its first waiting call.
        Assert.False((await other.Limiter(client).AcquireAsync(new())).IsAllowed);
        await Task.WhenAny(first);
        await Assert.ThrowsAsync<LimiterMovedException>(() => second.WaitAsync(Soon));
        Assert.Equal(3, (await one.Limiter(client).PeekAsync().WaitAsync(Soon)).Limit);
    }
}
