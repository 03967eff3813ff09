using System.Globalization;
using StackExchange.Redis;

namespace Actors.Contracts;

/// <summary>The membership table of a live cluster when Redis loses it, against any server with the Redis protocol.</summary>
public abstract class MembershipContract : IAsyncLifetime
{
    private readonly string _service = $"test-{Guid.NewGuid():n}";
    private readonly List<MembershipSilo> _silos = [];
    private string _connectionString = "";
    private ConnectionMultiplexer _redis = null!;

    private RedisKey Key => $"{_service}/members/tests";

    private IDatabase Redis => _redis.GetDatabase();

    public async ValueTask InitializeAsync()
    {
        _connectionString = await StartAsync();
        _redis = await ConnectionMultiplexer.ConnectAsync(_connectionString);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in _silos) await silo.DisposeAsync();
        await _redis.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Emptied_table_is_restored()
    {
        var silos = await JoinAsync(3);
        var version = await VersionAsync();
        await EmptyAsync();

        await silos[0].Table.CheckAsync(default);

        Assert.Equal(3, await RowsAsync());
        Assert.True(await VersionAsync() > version);
        Assert.Equal(1, silos[0].Table.Repairs);
        await AssertAllSeeAsync(silos, silos);
        Assert.Equal(0, silos[1].Table.Repairs + silos[2].Table.Repairs);
    }

    [Fact]
    public async Task Several_silos_can_restore_the_table_concurrently()
    {
        var silos = await JoinAsync(5);
        await EmptyAsync();

        await Task.WhenAll(silos.Select(silo => silo.Table.CheckAsync(default)));
        await AssertAllSeeAsync(silos, silos);

        var version = await VersionAsync();
        foreach (var silo in silos) await silo.Table.CheckAsync(default);
        Assert.Equal(version, await VersionAsync());
    }

    [Fact]
    public async Task Orleans_never_reads_a_lost_table()
    {
        var silos = await JoinAsync(3);
        using var stop = new CancellationTokenSource();
        var emptying = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await EmptyAsync();
        });
        for (var i = 0; i < 200; i++)
        {
            try
            {
                var table = await silos[i % 3].Table.ReadAllAsync();
                Assert.NotNull(table.TryGet(silos[i % 3].Address));
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                // Lost again during the read, which Orleans retries.
            }
        }

        await stop.CancelAsync();
        await emptying;
        foreach (var silo in silos) await silo.Table.CheckAsync(default);
        await AssertAllSeeAsync(silos, silos);
    }

    [Fact]
    public async Task Table_recreated_by_a_client_is_restored()
    {
        var silos = await JoinAsync(3);
        await EmptyAsync();
        await Redis.HashSetAsync(Key, "Version", 0);
        await AssertAllSeeAsync(silos, silos);
    }

    [Fact]
    public async Task Table_without_its_last_changes_is_restored()
    {
        var silos = await JoinAsync(2);
        var before = await Redis.HashGetAllAsync(Key);
        var latest = (await JoinAsync(1))[0];
        await ReplaceAsync(before);
        await AssertAllSeeAsync([latest, .. silos], [.. silos, latest]);
    }

    [Fact]
    public async Task Last_joined_silo_unknown_to_the_restorer_is_added_back()
    {
        // The older silo has not read the table since.
        var older = (await JoinAsync(1))[0];
        var latest = (await JoinAsync(1))[0];
        await EmptyAsync();

        await older.Table.CheckAsync(default);
        Assert.Equal(1, await RowsAsync());

        await AssertAllSeeAsync([latest, older], [older, latest]);
    }

    [Fact]
    public async Task Dead_silos_stay_dead_if_the_restorer_did_not_know_them()
    {
        var silos = await JoinAsync(3);
        await silos[1].WriteAsync(silos[2].Address, SiloStatus.Dead);
        await EmptyAsync();

        await silos[0].Table.CheckAsync(default);
        await silos[1].Table.CheckAsync(default);

        Assert.Equal(SiloStatus.Dead, (await silos[0].ReadAsync())[silos[2].Address]);
    }

    [Fact]
    public async Task Silo_restores_its_missing_row_and_changes_nothing_else()
    {
        var silos = await JoinAsync(3);
        await AssertAllSeeAsync(silos, silos);
        var before = await Redis.HashGetAllAsync(Key);
        await Redis.HashDeleteAsync(Key, silos[1].Address.ToString());

        await AssertAllSeeAsync([silos[1]], silos);

        Assert.Equal(1, silos[1].Table.Repairs);
        var after = await Redis.HashGetAllAsync(Key);
        Assert.Equal(WithoutVersion(before), WithoutVersion(after));
        await AssertAllSeeAsync(silos, silos);
    }

    [Fact]
    public async Task Row_of_a_dead_silo_is_not_changed()
    {
        var silos = await JoinAsync(2);
        await silos[0].WriteAsync(silos[1].Address, SiloStatus.Dead);
        var version = await VersionAsync();

        Assert.Equal(SiloStatus.Dead, (await silos[1].ReadAsync())[silos[1].Address]);

        Assert.Equal(version, await VersionAsync());
        Assert.Equal(0, silos[1].Table.Repairs);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task Second_cluster_formed_meanwhile_merges_with_the_first(int newcomers)
    {
        var silos = await JoinAsync(2);
        await EmptyAsync();

        // With six newcomers its version exceeds that of the first cluster.
        var others = await JoinAsync(newcomers);

        await silos[0].Table.CheckAsync(default);
        await silos[1].Table.CheckAsync(default);
        List<MembershipSilo> all = [.. silos, .. others];
        await AssertAllSeeAsync(all, all);
    }

    [Fact]
    public async Task Silo_that_finds_an_empty_table_waits_for_a_live_cluster_to_restore_it()
    {
        var silos = await JoinAsync(2);
        await EmptyAsync();
        var newcomer = Create(TimeSpan.FromSeconds(60));
        var joining = newcomer.JoinAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.False(joining.IsCompleted);

        await silos[0].Table.CheckAsync(default);

        await joining.WaitAsync(TimeSpan.FromSeconds(30));
        await AssertAllSeeAsync([newcomer], [.. silos, newcomer]);
    }

    [Fact]
    public async Task New_cluster_is_formed_after_that_wait_if_none_exists()
    {
        var silo = Create(TimeSpan.FromSeconds(1));
        await silo.JoinAsync();
        await AssertAllSeeAsync([silo], [silo]);
    }

    /// <summary>Starts the server, or joins one that runs, and returns its connection string.</summary>
    protected abstract Task<string> StartAsync();

    private static async Task AssertAllSeeAsync(IEnumerable<MembershipSilo> silos, IReadOnlyList<MembershipSilo> expected)
    {
        foreach (var silo in silos)
        {
            var seen = await silo.ReadAsync();
            Assert.Equal(expected.Select(one => one.Address).Order(), seen.Keys.Order());
            Assert.All(seen.Values, status => Assert.Equal(SiloStatus.Active, status));
        }
    }

    private static IEnumerable<string> WithoutVersion(HashEntry[] table) =>
        table.Where(row => row.Name != "Version").Select(row => row.ToString()).Order(StringComparer.Ordinal);

    private async Task<List<MembershipSilo>> JoinAsync(int count)
    {
        List<MembershipSilo> joined = [];
        for (var i = 0; i < count; i++)
        {
            joined.Add(Create(grace: TimeSpan.Zero));
            await joined[i].JoinAsync();
        }

        // Silos do this once a second; without it the first ones would not know the last ones.
        foreach (var silo in joined) await silo.Table.CheckAsync(default);
        return joined;
    }

    private MembershipSilo Create(TimeSpan grace)
    {
        var silo = MembershipSilo.Create(_connectionString, _service, 1000 + _silos.Count, grace);
        _silos.Add(silo);
        return silo;
    }

    private Task EmptyAsync() => Redis.KeyDeleteAsync(Key);

    private async Task ReplaceAsync(HashEntry[] table)
    {
        await EmptyAsync();
        await Redis.HashSetAsync(Key, table);
    }

    private async Task<int> VersionAsync() =>
        int.Parse((await Redis.HashGetAsync(Key, "Version")).ToString(), CultureInfo.InvariantCulture);

    private async Task<long> RowsAsync() => await Redis.HashLengthAsync(Key) - 1;
}
