using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.Redis;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>A Redis failover that loses recent writes that were acknowledged but not flushed.</summary>
[NeedsServers]
public sealed class FailoverTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private RedisPair _redis = null!;
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisPair.StartNewAsync();
        _store = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _store.MigrateAsync(Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _redis.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Journaled_rows_lost_in_a_failover_are_flushed_from_memory_and_their_owner_continues()
    {
        await using var silo = await OpenAsync(1, new() { FlushInterval = Long });
        var known = (await silo.OpenAsync("known")).Owner;
        Assert.Equal(Durability.Journal, (await silo.Table.WriteAsync(SiloBench.Make(known, 1), Durability.Journal)).Durability);
        await _redis.ReplicatedAsync();

        // The replica misses the second row of one key and the owner of the other.
        await _redis.StopReplicatingAsync();
        var unknown = (await silo.OpenAsync("unknown")).Owner;
        foreach (var row in (Row[])[SiloBench.Make(known, 2), SiloBench.Make(unknown, 1)])
            Assert.Equal(Durability.Journal, (await silo.Table.WriteAsync(row, Durability.Journal)).Durability);
        await _redis.FailOverAsync();
        await JournalingAsync(silo);

        // The journal is read again: it has an earlier row of one key, and nothing of the other.
        Assert.Equal(WriteOutcome.NotWritten, (await silo.Table.Begin(SiloBench.Make(unknown, 2), Durability.Journal).ReachAsync()).Outcome);
        Assert.Equal(2, (await silo.OpenAsync("known")).Row!.Version);
        var again = await silo.OpenAsync("unknown");
        Assert.Equal(1, again.Row!.Version);
        Assert.Equal(Durability.Journal, (await silo.Table.WriteAsync(SiloBench.Make(again.Owner, 2), Durability.Journal)).Durability);

        await silo.Table.FlushAsync(Token);
        Assert.Equal([2L, 2L], (await _store.ReadAsync(["known", "unknown"], Token)).Select(row => row.Version));

        // The flush removes the journal's rows, including the earlier one.
        await Eventually.IsTrueAsync(async () => await RowsAsync() == 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cached_copy_that_missed_an_update_is_not_used_after_a_failover(bool resets)
    {
        await using var first = await OpenAsync(1);
        await using var second = await OpenAsync(2);
        var mine = (await first.OpenAsync("k")).Owner;
        await first.Table.WriteAsync(SiloBench.Make(mine, 1), Durability.Database);
        await first.Table.ReleaseAsync(mine);

        // Opening a key creates a cached copy, and each flush updates it.
        mine = (await first.OpenAsync("k")).Owner;
        await Eventually.IsTrueAsync(async () => (await second.Cache.ReadAsync("k"))?.Version == 1);
        await _redis.ReplicatedAsync();
        await _redis.StopReplicatingAsync();
        await first.Table.WriteAsync(SiloBench.Make(mine, 2), Durability.Database);
        await Eventually.IsTrueAsync(async () => (await second.Cache.ReadAsync("k"))?.Version == 2);

        // If connections are reset, clients reach the new primary before any circuit opens.
        await _redis.FailOverAsync();
        if (resets) _redis.ResetConnections();
        await JournalingAsync(second);
        Assert.NotEqual(1, (await second.Cache.ReadAsync("k"))?.Version);
        Assert.Equal(2, (await second.OpenAsync("k")).Row!.Version);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Row_lost_in_a_failover_is_flushed_by_its_silo_before_another_opens_the_key(bool resets)
    {
        await using var first = await OpenAsync(1, new() { FlushInterval = Long });
        await using var second = await OpenAsync(2, peers: new Peer(first));
        var mine = (await first.OpenAsync("k")).Owner;
        await first.Table.WriteAsync(SiloBench.Make(mine, 1), Durability.Database);
        await _redis.ReplicatedAsync();
        await _redis.StopReplicatingAsync();
        Assert.Equal(Durability.Journal, (await first.Table.WriteAsync(SiloBench.Make(mine, 2), Durability.Journal)).Durability);
        Assert.True(await first.Table.ReleaseAsync(mine));

        await _redis.FailOverAsync();
        if (resets) _redis.ResetConnections();
        await JournalingAsync(second);
        Assert.Equal(2, (await second.OpenAsync("k")).Row!.Version);
    }

    private async Task<SiloBench> OpenAsync(int number, WriteBehindOptions? options = null, IPartitionedPeers? peers = null)
    {
        var redis = new RedisGateway(new RedisOptions { ConnectionString = _redis.Address, KeyPrefix = "failover" });
        var silo = new SiloBench(redis, new FaultyStore(_store), number, options, peers: peers);
        await JournalingAsync(silo);
        return silo;
    }

    /// <summary>Returns once the silo's calls succeed, as they do before and soon after a failover.</summary>
    private static Task JournalingAsync(SiloBench silo) => Eventually.IsTrueAsync(async () =>
    {
        try
        {
            foreach (var role in (RedisRole[])[RedisRole.Journal, RedisRole.Cache])
                await silo.Redis.EvaluateAsync(role, "return redis.call('SET', KEYS[1], 1)", ["any"], []);
            return silo.Table.IsJournaling;
        }
        catch (RedisUnavailableException)
        {
            return false;
        }
    });

    private async Task<int> RowsAsync()
    {
        var rows = 0;
        for (var partition = 0; partition < Partition.Count; partition++)
        {
            var answer = await RedisCommands.AskAsync(_redis.Primary.Port, $"HLEN failover:journal:{Partition.Tag(partition)}:rows");
            rows += int.Parse(answer.AsSpan(1).Trim(), System.Globalization.CultureInfo.InvariantCulture);
        }

        return rows;
    }

    private sealed class Peer(SiloBench silo) : IPartitionedPeers
    {
        public IReadOnlyCollection<SiloAddress> Others => [silo.Silo];

        public Task TellAsync(SiloAddress address, long number, bool isCutOff) => Task.CompletedTask;

        public Task FlushAsync(SiloAddress address) => silo.Table.FlushAsync(CancellationToken.None);
    }
}
