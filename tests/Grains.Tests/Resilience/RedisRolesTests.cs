using Actors.Fixtures;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Which roles share a circuit, how circuits are controlled, and what a disposed gateway leaves.</summary>
[NeedsServers]
public sealed class RedisRolesTests(RedisFixture redis)
{
    [Fact]
    public async Task Roles_on_one_Redis_share_a_circuit()
    {
        await using var gateway = redis.Open();
        var circuit = Assert.Single(gateway.Circuits);
        Assert.Equal([RedisRole.Journal, RedisRole.Cache, RedisRole.Limits], circuit.Roles);
        Assert.Equal(["journal", "cache", "limits"], circuit.Snapshot().Roles);
        Assert.Equal(redis.Server.ConnectionString, circuit.Address);
    }

    [Fact]
    public async Task Role_with_its_own_Redis_has_its_own_circuit()
    {
        await using var cache = await RedisServer.StartNewAsync();
        await using var gateway = Open(cache.ConnectionString);
        await PingAsync(gateway, RedisRole.Journal);
        await PingAsync(gateway, RedisRole.Cache);

        await cache.KillAsync();
        await Eventually.IsTrueAsync(() => Task.FromResult(!gateway.IsClosed(RedisRole.Cache)));
        Assert.True(gateway.IsClosed(RedisRole.Journal));
        Assert.Equal(0, gateway.Circuits.Single(circuit => circuit.Roles.Contains(RedisRole.Journal)).Breaks);
        await PingAsync(gateway, RedisRole.Journal);
        await Assert.ThrowsAsync<RedisUnavailableException>(() => PingAsync(gateway, RedisRole.Cache));

        await cache.StartAsync();
        await Eventually.IsTrueAsync(() => Task.FromResult(gateway.IsClosed(RedisRole.Cache)));
        await PingAsync(gateway, RedisRole.Cache);
    }

    [Fact]
    public async Task Unreachable_server_opens_only_the_circuit_of_its_role()
    {
        await using var gateway = Open($"127.0.0.1:{FreePorts.Next()}");
        await Eventually.IsTrueAsync(() => Task.FromResult(gateway.Circuits.Single(circuit => circuit.Roles.Contains(RedisRole.Cache)).Breaks > 0));
        await PingAsync(gateway, RedisRole.Journal);
        Assert.True(gateway.IsClosed(RedisRole.Journal));
        await Assert.ThrowsAsync<RedisUnavailableException>(() => PingAsync(gateway, RedisRole.Cache));
    }

    [Fact]
    public async Task Redis_that_starts_after_the_silo_is_noticed()
    {
        await using var cache = new RedisServer();
        await using var gateway = Open(cache.ConnectionString);
        await Eventually.IsTrueAsync(() => Task.FromResult(gateway.Circuits.Single(circuit => circuit.Roles.Contains(RedisRole.Cache)).Breaks > 0));
        await cache.StartAsync();
        await Eventually.IsTrueAsync(() => Task.FromResult(gateway.IsClosed(RedisRole.Cache)));
        await PingAsync(gateway, RedisRole.Cache);
    }

    [Fact]
    public async Task Isolated_circuit_allows_no_call_until_it_is_closed()
    {
        await using var gateway = redis.Open();
        var circuit = gateway.Circuits[0];
        await PingAsync(gateway, RedisRole.Journal);

        gateway.Isolate("maintenance of the server");
        foreach (var role in circuit.Roles)
        {
            var error = await Assert.ThrowsAsync<RedisUnavailableException>(() => PingAsync(gateway, role));
            Assert.False(error.MayHaveHappened);
            Assert.Contains("maintenance of the server", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(BreakerState.Isolated, circuit.Snapshot().State);
        await Task.Delay(1500);
        Assert.Equal(BreakerState.Isolated, circuit.State);

        gateway.Close("done");
        await PingAsync(gateway, RedisRole.Journal);
        Assert.Equal(["maintenance of the server", "done"], circuit.Snapshot().Transitions.Select(transition => transition.Reason));
    }

    [Fact]
    public async Task Last_fifty_transitions_are_kept()
    {
        await using var gateway = redis.Open();
        for (var i = 0; i < 40; i++)
        {
            gateway.Isolate($"isolated {i}");
            gateway.Close($"closed {i}");
        }

        var transitions = gateway.Circuits[0].Snapshot().Transitions;
        Assert.Equal(50, transitions.Length);
        Assert.Equal("isolated 15", transitions[0].Reason);
        Assert.Equal("closed 39", transitions[^1].Reason);
        Assert.Equal(40, gateway.Circuits[0].Breaks);
    }

    [Fact]
    public async Task Health_and_latency_of_Redis_are_read()
    {
        await using var gateway = redis.Open();
        for (var i = 0; i < 100; i++) await PingAsync(gateway, RedisRole.Cache);
        await Eventually.IsTrueAsync(() => Task.FromResult(gateway.Circuits[0].Health is not null));
        var snapshot = gateway.Circuits[0].Snapshot();
        Assert.NotEqual("", snapshot.Health!.Version);
        Assert.True(snapshot.Health.UsedMemory > 0);
        Assert.True(snapshot.Latency.Calls >= 100 && snapshot.Latency.P50 > TimeSpan.Zero);
    }

    [Fact]
    public async Task Disposed_gateway_leaves_nothing_running()
    {
        await using var server = await RedisServer.StartNewAsync();
        var gateways = Enumerable.Range(0, 5).Select(i => new RedisGateway(
            new RedisOptions { ConnectionString = server.ConnectionString, KeyPrefix = "gone" }, GatewayBench.Quick())).ToList();
        foreach (var gateway in gateways) await PingAsync(gateway, RedisRole.Cache);
        Assert.NotEqual(0, await ClientsAsync(server));
        foreach (var gateway in gateways) await gateway.DisposeAsync();
        await Eventually.IsTrueAsync(async () => await ClientsAsync(server) == 0);
        var error = await Assert.ThrowsAsync<RedisUnavailableException>(() => PingAsync(gateways[0], RedisRole.Journal));
        Assert.Contains("disposed", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, await ClientsAsync(server));
    }

    [Fact]
    public async Task Gateway_disposed_while_connecting_does_not_reconnect()
    {
        // Accepts the connection but stays silent: the connect ends by its timeout.
        await using var server = await RedisServer.StartNewAsync();
        server.Signal(Signals.Stop);
        var gateways = Enumerable.Range(0, 5).Select(i => new RedisGateway(
            new RedisOptions { ConnectionString = server.ConnectionString, KeyPrefix = "gone" }, GatewayBench.Quick())).ToList();
        var calls = gateways.Select(gateway => Assert.ThrowsAsync<RedisUnavailableException>(() => PingAsync(gateway, RedisRole.Cache))).ToList();
        await Task.Delay(100);
        foreach (var gateway in gateways) await gateway.DisposeAsync();
        await Task.WhenAll(calls);

        server.Signal(Signals.Continue);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(0, await ClientsAsync(server));
            await Task.Delay(300);
        }
    }

    private static async Task<int> ClientsAsync(RedisServer server)
    {
        await using var admin = await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},allowAdmin=true");
        var clients = (string)(await admin.GetDatabase().ExecuteAsync("CLIENT", "LIST"))!;
        return clients.Split('\n').Count(client => client.Contains(" name=gone", StringComparison.Ordinal));
    }

    private static Task PingAsync(RedisGateway gateway, RedisRole role) => gateway.EvaluateAsync(role, "return 1", [], []);

    private RedisGateway Open(string cache) => new(
        new RedisOptions { ConnectionString = redis.Server.ConnectionString, Roles = { [RedisRole.Cache] = cache }, KeyPrefix = $"test-{Guid.NewGuid():n}" },
        GatewayBench.Quick());
}
