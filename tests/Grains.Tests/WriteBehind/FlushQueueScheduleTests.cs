using System.Collections.Concurrent;
using Actors.Contracts;
using Actors.Fixtures;
using Actors.WriteBehind;
using CsCheck;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Many writers over a table that fails at random before and after commits.</summary>
[NeedsServers]
public sealed class FlushQueueScheduleTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private const int Writers = 4;
    private const int Keys = 9;

    private string _database = "";
    private PostgresRowStore _table = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.Server.CreateDatabaseAsync();
        _table = new PostgresRowStore(_database);
        await _table.MigrateAsync(TestContext.Current.CancellationToken);
        await QueryAsync<object>(
            """
            CREATE TABLE history (n bigserial PRIMARY KEY, id text, version bigint);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO history (id, version) VALUES (NEW.id, NEW.version); RETURN NEW; END $$;
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note();
            """);
    }

    public ValueTask DisposeAsync() => _table.DisposeAsync();

    [Fact]
    public Task Table_ends_at_the_last_versions_and_never_reverts_whatever_fails() =>
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[1, 3], Gen.Int[1, 20], Gen.OneOf(0, 20, 50), Gen.OneOf(1, 5, 40))
            .SampleAsync(
                (seed, lanes, batch, failures, interval) => RunAsync(
                    seed, new() { Lanes = lanes, BatchSize = batch, FlushInterval = TimeSpan.FromMilliseconds(interval) }, failures),
                iter: 12,
                threads: 1);

    [Fact]
    public async Task No_row_is_ever_reverted_in_the_table()
    {
        await RunAsync(7, new() { Lanes = 2, BatchSize = 5, FlushInterval = TimeSpan.FromMilliseconds(1) }, failures: 30);

        Assert.True(await QueryAsync<long>("SELECT count(*) FROM history") > Keys);
        Assert.Equal(0, await QueryAsync<long>(
            "SELECT count(*) FROM (SELECT version <= lag(version) OVER (PARTITION BY id ORDER BY n) AS back FROM history) AS steps WHERE back"));
    }

    private async Task RunAsync(int seed, WriteBehindOptions options, int failures)
    {
        var keys = Enumerable.Range(0, Keys).Select(i => $"{Guid.NewGuid():n}-{i}").ToArray();
        var versions = new long[Keys];
        var committed = new ConcurrentBag<Task>();
        await using var bench = new QueueBench(redis.Open(), new FaultyStore(_table, seed, failures), options, new HastyClock());
        bench.Queue.Start();

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var random = new Random((seed * Writers) + writer);
            for (var i = 0; i < 60; i++)
            {
                var k = random.Next(Keys);
                long version;

                // As in a grain: the version and its place in the queue are one step.
                lock (keys[k])
                {
                    version = ++versions[k];
                    Assert.True(bench.Queue.Enqueue(QueueBench.Make(keys[k], version, padding: random.Next(200))));
                }

                if (random.Next(4) == 0) EnqueueOld(random);
                if (random.Next(3) == 0) committed.Add(CheckCommittedAsync(bench, keys[k], version));
                if (random.Next(5) == 0) await Task.Delay(random.Next(4));
            }
        })));

        // A late version: it may be waiting, in flight, or already in the table.
        void EnqueueOld(Random random)
        {
            var k = random.Next(Keys);
            var latest = Volatile.Read(ref versions[k]);
            if (latest > 1) bench.Queue.Enqueue(QueueBench.Make(keys[k], random.NextInt64(1, latest)));
        }

        Assert.Equal(0, await bench.DrainAsync());
        await Task.WhenAll(committed);
        Assert.Equal((0, 0L), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
        Assert.Equal(0, bench.Counters.FenceHits);
        for (var k = 0; k < Keys; k++)
        {
            var stored = await _table.ReadAsync(keys[k], CancellationToken.None);
            Assert.Equal(versions[k], stored?.Version ?? 0);
        }

        Assert.Equal(0, await QueryAsync<long>(
            "SELECT count(*) FROM (SELECT version <= lag(version) OVER (PARTITION BY id ORDER BY n) AS back FROM history) AS steps WHERE back"));
    }

    private async Task CheckCommittedAsync(QueueBench bench, string key, long version)
    {
        await bench.Queue.EnsureCommittedAsync(key, version);
        Assert.InRange((await _table.ReadAsync(key, CancellationToken.None))?.Version ?? 0, version, long.MaxValue);
    }

    private async Task<T?> QueryAsync<T>(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }
}
