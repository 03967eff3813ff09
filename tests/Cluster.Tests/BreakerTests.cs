using Actors.Fixtures;
using Actors.Redis;

namespace Actors.Cluster.Tests;

/// <summary>Silos that lose their connection to Redis, manually or through an outage, and regain it.</summary>
public sealed class BreakerTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly BreakerOptions Quick = new()
    {
        BreakDuration = TimeSpan.FromMilliseconds(200),
        MaxBreakDuration = TimeSpan.FromMilliseconds(500),
        RampDuration = TimeSpan.FromMilliseconds(200),
    };

    private readonly RedisServer _redis = new();
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync();
        _cluster = await TestCluster.StartAsync(servers, silos: 2, redis: _redis, breaker: Quick);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task Isolated_silo_serves_from_the_database_until_an_operator_closes_the_circuit()
    {
        var silos = (await _cluster.Cluster.GetStatusAsync()).Silos;
        var isolated = Breaker(silos[0].Silo);
        await isolated.IsolateAsync("maintenance of the network");

        var snapshot = await isolated.GetAsync();
        Assert.Equal(BreakerState.Isolated, snapshot.State);
        Assert.Contains("maintenance of the network", snapshot.Transitions[^1].Reason, StringComparison.Ordinal);
        Assert.Equal(["journal", "cache", "limits"], Assert.Single(snapshot.Circuits).Roles);
        Assert.Equal(BreakerState.Closed, (await Breaker(silos[1].Silo).GetAsync()).State);

        // Users are on both silos; only the receipt shows the isolation.
        var receipts = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => _cluster.User($"user-{i}").UpdateAsync(new() { DisplayName = "x" })));
        Assert.Equal([Durability.Journal, Durability.Database], receipts.Select(receipt => receipt.Durability).Distinct().Order());
        Assert.Equal(BreakerState.Isolated, (await isolated.GetAsync()).State);
        Assert.Equal(
            [BreakerState.Closed, BreakerState.Isolated],
            (await _cluster.Cluster.GetStatusAsync()).Silos.Select(silo => silo.Breaker!.State).Order());

        await isolated.CloseAsync();
        Assert.Equal(BreakerState.Closed, (await isolated.GetAsync()).State);
        receipts = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => _cluster.User($"user-{i}").UpdateAsync(new() { DisplayName = "y" })));
        Assert.All(receipts, receipt => Assert.Equal(new WriteReceipt { Version = 2, Durability = Durability.Journal }, receipt));
    }

    [Fact]
    public async Task Address_of_an_inactive_silo_is_rejected()
    {
        var error = await Assert.ThrowsAsync<SiloNotFoundException>(() => Breaker("127.0.0.1:1@1").GetAsync());
        Assert.Contains("'127.0.0.1:1@1'", error.Message, StringComparison.Ordinal);
        Assert.Contains((await _cluster.Cluster.GetStatusAsync()).Silos[0].Silo, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_are_read_and_written_during_a_Redis_outage_and_journaled_after_it()
    {
        var active = _cluster.User("active");
        await active.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        await _redis.KillAsync();

        // Also a new user, whose earlier writes might be in the journal.
        var fresh = _cluster.User("fresh");
        Assert.Equal(Durability.Database, (await fresh.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability);
        Assert.True((await fresh.GetAsync())!.IsPossiblyStale);
        Assert.Equal(Durability.Database, (await active.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability);
        Assert.False((await active.GetAsync())!.IsPossiblyStale);
        await StateIsAsync(BreakerState.Open);

        // With an open circuit no call waits for Redis.
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => _cluster.User($"during-{i}").UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));

        await _redis.StartAsync();
        await StateIsAsync(BreakerState.Closed);
        Assert.False((await fresh.GetAsync())!.IsPossiblyStale);
        foreach (var user in new[] { active, fresh })
        {
            var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
            Assert.Equal(Durability.Journal, receipt.Durability);
            Assert.Equal(receipt.Version, (await user.GetAsync())!.Counters["n"]);
        }

        var receipts = await Task.WhenAll(Enumerable.Range(0, 200)
            .Select(i => _cluster.User($"during-{i}").UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));
        Assert.All(receipts, receipt => Assert.Equal(new WriteReceipt { Version = 2, Durability = Durability.Journal }, receipt));
    }

    [Fact]
    public async Task User_under_constant_writes_returns_to_the_journal()
    {
        await IsolateAllAsync();
        var user = _cluster.User("busy");
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 32).Select(async _ =>
        {
            var (writes, last) = (0, Durability.Memory);
            while (!stop.IsCancellationRequested)
            {
                last = (await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability;
                writes++;
            }

            return (writes, last);
        }).ToArray();
        await CloseAllAsync();
        await Eventually.IsTrueAsync(async () =>
            (await user.UpdateAsync(new() { DisplayName = "x" })).Durability == Durability.Journal);
        await stop.CancelAsync();

        var written = await Task.WhenAll(writers);
        Assert.Equal(1 + written.Sum(each => each.writes), (await user.GetAsync())!.Counters["n"]);
    }

    [Fact]
    public async Task Cached_copy_from_before_an_outage_is_not_read_after_it()
    {
        var user = _cluster.User("copied");
        await user.UpdateAsync(new() { DisplayName = "before" }, new() { Durability = Durability.Database });
        await TestCluster.DeactivateAsync(user);
        Assert.Equal("before", (await user.GetAsync())!.DisplayName);
        await TestCluster.DeactivateAsync(user);
        Assert.Equal("before", (await user.GetAsync())!.DisplayName);

        await IsolateAllAsync();
        await user.UpdateAsync(new() { DisplayName = "after" });
        await TestCluster.DeactivateAsync(user);
        await CloseAllAsync();

        var read = (await user.GetAsync())!;
        Assert.Equal("after", read.DisplayName);
        Assert.False(read.IsPossiblyStale);
    }

    [Fact]
    public async Task User_that_moves_during_the_ramp_reads_its_last_write()
    {
        // The circuit stays half-open for long: any call for a write, a clean-up, a release or a claim may be admitted.
        await using var cluster = await TestCluster.StartAsync(servers, silos: 2, redis: _redis, breaker: new()
        {
            BreakDuration = TimeSpan.FromMilliseconds(200),
            MaxBreakDuration = TimeSpan.FromMilliseconds(500),
            RampDuration = TimeSpan.FromSeconds(8),
        });
        await cluster.User("anyone").GetAsync();
        await _redis.KillAsync();
        await StateIsAsync(cluster, BreakerState.Open);
        await _redis.StartAsync();
        await StateIsAsync(cluster, BreakerState.HalfOpen);

        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            var user = cluster.User($"moving-{i}");
            for (var n = 1; n <= 30; n++)
            {
                var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
                Assert.Equal(n, receipt.Version);
                await TestCluster.DeactivateAsync(user);
                Assert.Equal(n, (await user.GetAsync())!.Counters["n"]);
            }
        }));
        Assert.Contains((await cluster.Cluster.GetStatusAsync()).Silos, silo => silo.Breaker!.Circuits[0].Rejected > 0);
    }

    [Fact]
    public async Task Writes_of_a_partitioned_silo_are_read_on_other_silos()
    {
        // The other silos have a copy of these users, which move to the partitioned silo later. Redis does not learn of that move.
        var silos = (await _cluster.Cluster.GetStatusAsync()).Silos;
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            var user = _cluster.User($"roaming-{i}");
            await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = Durability.Database });
            await TestCluster.DeactivateAsync(user);
            await user.GetAsync();
            await TestCluster.DeactivateAsync(user);
        }));
        await Breaker(silos[0].Silo).IsolateAsync("test");

        // Each user moves between the silos at random.
        var past = 0;
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            var user = _cluster.User($"roaming-{i}");
            for (var n = 2; n <= 8; n++)
            {
                var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
                Assert.Equal(n, receipt.Version);
                if (receipt.Durability == Durability.Database) Interlocked.Increment(ref past);
                await TestCluster.DeactivateAsync(user);
                Assert.Equal(n, (await user.GetAsync())!.Counters["n"]);
            }
        }));
        Assert.True(past > 0);
        await Breaker(silos[0].Silo).CloseAsync();
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            var user = _cluster.User($"roaming-{i}");
            Assert.Equal(8, (await user.GetAsync())!.Counters["n"]);
            Assert.Equal(9, (await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Version);
        }));
    }

    private IRedisBreakerGrain Breaker(string silo) => _cluster.Silos.Client.GetGrain<IRedisBreakerGrain>(silo);

    private async Task IsolateAllAsync()
    {
        foreach (var silo in (await _cluster.Cluster.GetStatusAsync()).Silos) await Breaker(silo.Silo).IsolateAsync("test");
    }

    private async Task CloseAllAsync()
    {
        foreach (var silo in (await _cluster.Cluster.GetStatusAsync()).Silos) await Breaker(silo.Silo).CloseAsync();
    }

    private Task StateIsAsync(BreakerState state) => StateIsAsync(_cluster, state);

    private static Task StateIsAsync(TestCluster cluster, BreakerState state) => Eventually.IsTrueAsync(async () =>
        (await cluster.Cluster.GetStatusAsync()).Silos.All(silo => silo.Breaker!.State == state));
}
