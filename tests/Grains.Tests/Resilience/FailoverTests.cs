using System.Globalization;
using Actors.Fixtures;
using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A Redis failover behind a stable address.</summary>
[NeedsServers]
public sealed class FailoverTests
{
    private const string Write = "return redis.call('SET', KEYS[1], ARGV[1])";

    // Silos have 10 s. Sentinel demotes the old primary about 10 s after it names the new one. The rest is for a busy machine.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Circuit_closes_after_each_failover_behind_one_address_and_calls_reach_the_new_primary()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var gateway = await OpenAsync(pair.Address);
        for (var round = 1; round <= 3; round++)
        {
            await pair.FailOverAsync();
            await ServedByAsync(gateway, pair.Primary);
            await pair.ReplicatedAsync();
        }
    }

    [Fact]
    public async Task Circuit_closes_with_a_list_of_servers()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var gateway = await OpenAsync(pair.Endpoints);
        await pair.FailOverAsync();
        await ServedByAsync(gateway, pair.Primary);
    }

    [Fact]
    public async Task Circuit_closes_after_a_failover_by_Sentinel()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var sentinel = await RedisSentinel.StartNewAsync(pair);
        await using var gateway = await OpenAsync(sentinel.ConnectionString);
        await sentinel.FailOverAsync(pair);
        await ServedByAsync(gateway, pair.Primary);
    }

    [Fact]
    public async Task Circuit_closes_when_the_old_primary_is_frozen()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var gateway = await OpenAsync(pair.Address);
        pair.Primary.Signal(Signals.Stop);
        await pair.PromoteAsync();
        await ServedByAsync(gateway, pair.Primary);
        pair.Replica.Signal(Signals.Continue);
    }

    [Fact]
    public async Task Read_only_role_leaves_a_demoted_server()
    {
        await using var journal = await RedisServer.StartNewAsync();
        await using var cache = await RedisPair.StartNewAsync();
        await using var gateway = new RedisGateway(
            new RedisOptions { ConnectionString = journal.ConnectionString, Roles = { [RedisRole.Cache] = cache.Address }, KeyPrefix = "reads" },
            GatewayBench.Quick());
        await Eventually.IsTrueAsync(async () => await TryAsync(gateway, "return redis.call('GET', KEYS[1])") is null);
        await cache.FailOverAsync();
        await Eventually.IsTrueAsync(
            async () =>
            {
                // So frequent that the circuit need not probe, and so does not write.
                for (var i = 0; i < 20; i++) await TryAsync(gateway, "return redis.call('GET', KEYS[1])");
                return await HasClientAsync(cache.Primary, "reads-cache") && !await HasClientAsync(cache.Replica, "reads-cache");
            },
            Limit);
    }

    [Fact]
    public async Task Reconnects_are_rare_while_no_server_accepts_writes()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var gateway = await OpenAsync(pair.Address);
        await RedisCommands.SendAsync(pair.Primary.Port, "REPLICAOF 127.0.0.1 1");
        var before = await ConnectionsAsync(pair.Primary);
        for (var i = 0; i < 100; i++)
        {
            await TryAsync(gateway, Write);
            await Task.Delay(50);
        }

        // Each role has two connections; the backoff doubles up to 3 s.
        Assert.InRange(await ConnectionsAsync(pair.Primary) - before, 2, 100);
        await RedisCommands.SendAsync(pair.Primary.Port, "REPLICAOF NO ONE");
        await ServedByAsync(gateway, pair.Primary);
    }

    private static async Task<RedisGateway> OpenAsync(string address)
    {
        var gateway = new RedisGateway(new RedisOptions { ConnectionString = address, KeyPrefix = "failover" });
        await Eventually.IsTrueAsync(async () => await TryAsync(gateway, Write) is null);
        return gateway;
    }

    private static async Task<Exception?> TryAsync(
        RedisGateway gateway, string script, string value = "", RedisRole role = RedisRole.Cache)
    {
        try
        {
            await gateway.EvaluateAsync(role, script, ["key"], [value]);
            return null;
        }
        catch (RedisUnavailableException error)
        {
            return error;
        }
    }

    /// <summary>Calls until all calls succeed and reach <paramref name="server"/>.</summary>
    private static async Task ServedByAsync(RedisGateway gateway, RedisServer server)
    {
        var value = Guid.NewGuid().ToString("n");
        await Eventually.IsTrueAsync(
            async () =>
            {
                // Each role has a connection of its own, and the first call on it may be the first to notice.
                var errors = new List<Exception?>();
                foreach (var role in Enum.GetValues<RedisRole>()) errors.Add(await TryAsync(gateway, Write, value, role));
                return errors.TrueForAll(error => error is null) && gateway.IsClosed(RedisRole.Cache)
                    && (await RedisCommands.AskAsync(server.Port, "GET key")).Contains(value, StringComparison.Ordinal);
            },
            Limit);
    }

    private static async Task<bool> HasClientAsync(RedisServer server, string name) =>
        (await RedisCommands.AskAsync(server.Port, "CLIENT LIST TYPE normal")).Contains($" name={name} ", StringComparison.Ordinal);

    private static async Task<long> ConnectionsAsync(RedisServer server)
    {
        var statistics = await RedisCommands.AskAsync(server.Port, "INFO stats");
        return long.Parse(
            statistics.Split("total_connections_received:")[1].Split('\r')[0], CultureInfo.InvariantCulture);
    }
}
