using System.Globalization;
using Actors.Contracts;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table during a Redis failover.</summary>
[NeedsServers]
public sealed class MembershipFailoverTests
{
    private const string Service = "failover";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Silos_follow_the_new_primary_and_a_starting_silo_joins_them()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var first = await JoinAsync(pair.Address, 1000);
        await using var second = await JoinAsync(pair.Address, 1001);
        for (var round = 0; round < 2; round++)
        {
            await pair.FailOverAsync();
            await using var newcomer = MembershipSilo.Create(pair.Address, Service, 2000 + round);
            await newcomer.JoinAsync().WaitAsync(Limit);
            await AllSeeAsync([first, second, newcomer], [first, second, newcomer], SiloStatus.Active);

            // Not only reads: the newcomer reads a write of the first silo.
            await WriteAsync(first, newcomer.Address, SiloStatus.Dead);
            await AllSeeAsync([newcomer, second, first], [newcomer], SiloStatus.Dead);
            await pair.ReplicatedAsync();
        }
    }

    [Fact]
    public async Task Silo_started_against_a_replica_joins_once_the_address_leads_to_a_primary()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var first = await JoinAsync(pair.Address, 1000);

        // Demotes the primary, and promotes the replica after the usual failover time.
        await RedisCommands.SendAsync(pair.Primary.Port, "REPLICAOF 127.0.0.1 1");
        await using var newcomer = MembershipSilo.Create(pair.Address, Service, 1001);
        var joining = newcomer.JoinAsync();
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.False(joining.IsCompleted, joining.Exception?.Message);

        await pair.FailOverAsync();
        await joining.WaitAsync(Limit);
        await AllSeeAsync([first, newcomer], [first, newcomer], SiloStatus.Active);
    }

    [Fact]
    public async Task Changes_of_the_same_version_on_both_sides_of_a_failover_are_kept()
    {
        await using var pair = await RedisPair.StartNewAsync();
        await using var first = await JoinAsync(pair.Address, 1000);
        await using var second = await JoinAsync(pair.Address, 1001);
        await using var third = await JoinAsync(pair.Address, 1002);
        foreach (var silo in (MembershipSilo[])[first, second, third]) await silo.Table.CheckAsync(default);
        await pair.ReplicatedAsync();

        // The replica misses one change and receives the other as its own next version.
        await pair.StopReplicatingAsync();
        await first.WriteAsync(third.Address, SiloStatus.Dead);
        await second.Table.CheckAsync(default);
        await pair.PromoteAsync();
        await using var newcomer = MembershipSilo.Create(pair.Address, Service, 1003);
        await newcomer.Table.InitializeMembershipTableAsync(tryInitTableVersion: true);
        await newcomer.WriteAsync(newcomer.Address, SiloStatus.Active);
        Assert.Equal(await VersionAsync(pair.Replica), await VersionAsync(pair.Primary));
        await pair.FollowAsync();

        await AllSeeAsync([first, second, newcomer], [newcomer], SiloStatus.Active);
        await AllSeeAsync([newcomer, first, second], [third], SiloStatus.Dead);
    }

    private static async Task<MembershipSilo> JoinAsync(string address, int port)
    {
        var silo = MembershipSilo.Create(address, Service, port);
        await silo.JoinAsync();
        return silo;
    }

    /// <summary>Writes, with retries as in Orleans.</summary>
    private static async Task WriteAsync(MembershipSilo silo, SiloAddress other, SiloStatus status)
    {
        for (var began = DateTime.UtcNow; ;)
        {
            try
            {
                await silo.WriteAsync(other, status);
                return;
            }
            catch (Exception error) when (error is RedisException or TimeoutException && DateTime.UtcNow - began < Limit)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100));
            }
        }
    }

    /// <summary>Lets all silos read repeatedly, as they do once a second, until each sees the others with this status.</summary>
    private static async Task AllSeeAsync(IReadOnlyList<MembershipSilo> silos, IReadOnlyList<MembershipSilo> seen, SiloStatus status)
    {
        var last = new string[silos.Count];
        try
        {
            await Eventually.IsTrueAsync(
                async () =>
                {
                    for (var i = 0; i < silos.Count; i++) last[i] = await ReadAsync(silos[i]);
                    return last.All(table => seen.All(other => table.Contains($"{other.Address} {status}", StringComparison.Ordinal)));
                },
                Limit);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"Not all silos see {string.Join(", ", seen.Select(other => other.Address))} as {status}:\n{string.Join('\n', last)}");
        }
    }

    private static async Task<string> ReadAsync(MembershipSilo silo)
    {
        try
        {
            return string.Join(", ", (await silo.ReadAsync()).Select(row => $"{row.Key} {row.Value}"));
        }
        catch (Exception error)
        {
            // Not reconnected yet.
            return error.Message;
        }
    }

    private static async Task<long> VersionAsync(RedisServer server) => long.Parse(
        (await RedisCommands.AskAsync(server.Port, $"HGET {Service}/members/tests Version")).Split("\r\n")[1], CultureInfo.InvariantCulture);
}
