using System.Text;
using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Rows that the real table rejects, flushed through the queue.</summary>
[NeedsServers]
public sealed class ParkingTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private string _database = "";
    private PostgresRowStore _table = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.Server.CreateDatabaseAsync();
        _table = new PostgresRowStore(_database);
        await _table.MigrateAsync(Token);
        await QueryAsync<object>("ALTER TABLE users ADD CONSTRAINT adult CHECK (NOT state ? 'poison')");
    }

    public ValueTask DisposeAsync() => _table.DisposeAsync();

    [Fact]
    public async Task Batch_with_three_poison_rows_commits_the_others_and_a_replay_commits_the_three()
    {
        const int Rows = 1000;
        await QueryAsync<object>(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.id = 'k0999' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();
            """);
        await using var bench = Open(new() { Lanes = 1, BatchSize = Rows, FlushInterval = TimeSpan.FromMilliseconds(5) });
        for (var i = 0; i < Rows; i++)
        {
            bench.Queue.Enqueue(i switch
            {
                0 => Poison("k0000", 1),
                500 => Make("k0500", 1, """{"displayName":"\u0000"}"""),
                _ => QueueBench.Make($"k{i:0000}", 1),
            });
        }

        var waiting = Enumerable.Range(0, Rows).Select(i => bench.Queue.CommittedAsync($"k{i:0000}", 1)).ToArray();
        bench.Queue.Start();
        var committed = await Task.WhenAll(waiting.Where((_, i) => i is not (0 or 500 or 999))).WaitAsync(Limit, Token);
        Assert.All(committed, result => Assert.Equal(CommitOutcome.Committed, result.Outcome));

        Assert.Equal(Rows - 3, await QueryAsync<long>("SELECT count(*) FROM users"));
        foreach (var (i, reason) in ((int, string)[])[(0, "adult"), (500, "22P05"), (999, "not this one")])
        {
            var parked = await waiting[i];
            Assert.Equal(CommitOutcome.Parked, parked.Outcome);
            Assert.Contains(reason, parked.Reason, StringComparison.Ordinal);
        }

        Assert.Equal((3, Rows - 3, 0), (bench.Counters.ParkedRows, bench.Counters.FlushedRows, bench.Counters.FlushFailures));
        Assert.InRange(bench.Store.Batches.Count, 1, 70);
        Assert.Equal((0, 0L), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
        Assert.Equal(["k0000", "k0500", "k0999"], (await _table.Parked.ListAsync(null, 10, Token)).Select(row => row.Key));

        var replay = new ParkedReplay(_table, bench.Cache, NullLogger<ParkedReplay>.Instance);
        var still = await replay.RunAsync(keys: null, Token);
        Assert.Equal((0, 3), (still.Committed, still.Refused));
        Assert.Equal(["k0000", "k0500", "k0999"], still.Refusals.Select(row => row.Key));

        // The cause is fixed: constraint and trigger are dropped, and the \u0000 that jsonb cannot hold is removed.
        await QueryAsync<object>("ALTER TABLE users DROP CONSTRAINT adult; DROP TRIGGER refuse ON users");
        await QueryAsync<object>(
            "UPDATE parked SET state = convert_to(replace(convert_from(state, 'UTF8'), '\\u0000', ''), 'UTF8') WHERE id = 'k0500'");
        var replayed = await replay.RunAsync(keys: null, Token);

        Assert.Equal((3, 0, 0), (replayed.Committed, replayed.Refused, replayed.Superseded));
        Assert.Equal(Rows, await QueryAsync<long>("SELECT count(*) FROM users"));
        Assert.Equal(0, await QueryAsync<long>("SELECT count(*) FROM parked"));
        await bench.Queue.EnsureCommittedAsync("k0000", 1).WaitAsync(Limit, Token);
    }

    [Fact]
    public async Task Parked_state_is_reported_until_a_later_version_is_in_the_table()
    {
        await using var bench = Open();
        bench.Queue.Start();
        bench.Queue.Enqueue(QueueBench.Make("k", 1));
        await bench.Queue.EnsureCommittedAsync("k", 1).WaitAsync(Limit, Token);
        bench.Queue.Enqueue(Poison("k", 2));
        Assert.Equal(CommitOutcome.Parked, (await bench.Queue.CommittedAsync("k", 2).WaitAsync(Limit, Token)).Outcome);

        Assert.Equal(CommitOutcome.Parked, (await bench.Queue.CommittedAsync("k", 2).WaitAsync(Limit, Token)).Outcome);
        await bench.Queue.EnsureCommittedAsync("k", 1).WaitAsync(Limit, Token);

        bench.Queue.Enqueue(QueueBench.Make("k", 3));
        await bench.Queue.EnsureCommittedAsync("k", 3).WaitAsync(Limit, Token);
        await bench.Queue.EnsureCommittedAsync("k", 2).WaitAsync(Limit, Token);
        Assert.Equal(0, await _table.Parked.CountAsync(Token));
    }

    [Fact]
    public async Task Parked_key_causes_no_second_bisection()
    {
        await using var bench = Open(new() { Lanes = 1, FlushInterval = TimeSpan.FromHours(1) });
        bench.Queue.Start();
        await FlushAsync(version: 1);
        var before = bench.Store.Batches.Count;

        await FlushAsync(version: 2);

        // The other rows together, and the parked one alone.
        Assert.Equal([99, 1], bench.Store.Batches.Skip(before).Select(batch => batch.Count));
        Assert.Equal(99, await QueryAsync<long>("SELECT count(*) FROM users WHERE version = 2"));
        Assert.Equal(2, (await _table.ReadAsync("k07", Token))!.Version);

        async Task FlushAsync(long version)
        {
            for (var i = 0; i < 100; i++) bench.Queue.Enqueue(i == 7 ? Poison("k07", version) : QueueBench.Make($"k{i:00}", version));
            await bench.Queue.FlushAsync(Token).WaitAsync(Limit, Token);
        }
    }

    [Fact]
    public async Task Parked_row_leaves_the_journal_and_the_cached_copy_is_removed()
    {
        await using var bench = Open();
        await bench.Cache.FillAsync([QueueBench.Make("k", 1)]);
        var (owner, _) = await bench.Journal.ClaimAsync("k");
        var row = Poison("k", 2, owner.Epoch);
        await bench.Journal.AppendAsync(row);
        bench.Queue.Enqueue(row);
        bench.Queue.Start();
        Assert.Equal(0, await bench.DrainAsync());

        Assert.Null(await bench.Cache.ReadAsync("k"));
        Assert.Null((await bench.Journal.ClaimAsync("k")).Row);
        Assert.Equal((2, true), ((await _table.ReadAsync("k", Token))!.Version, (await _table.ReadAsync("k", Token))!.IsParked));
    }

    [Fact]
    public async Task Outage_parks_nothing_and_is_retried()
    {
        await using var bench = Open();
        await QueryAsync<object>("ALTER TABLE users RENAME TO moved");
        bench.Queue.Start();
        bench.Queue.Enqueue(QueueBench.Make("k", 1));
        var committed = bench.Queue.EnsureCommittedAsync("k", 1);
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Counters.FlushFailures > 1));

        await QueryAsync<object>("ALTER TABLE moved RENAME TO users");
        await committed.WaitAsync(Limit, Token);

        Assert.Equal(0, bench.Counters.ParkedRows);
        Assert.Equal(1, await QueryAsync<long>("SELECT count(*) FROM users"));
    }

    [Fact]
    public async Task Row_already_in_the_table_is_committed_whatever_the_database_rejects()
    {
        await QueryAsync<object>("ALTER TABLE users DROP CONSTRAINT adult");
        await _table.UpsertAsync([Poison("k", 1)], Token);
        await QueryAsync<object>("ALTER TABLE users ADD CONSTRAINT adult CHECK (NOT state ? 'poison') NOT VALID");
        await using var bench = Open();
        bench.Queue.Start();

        bench.Queue.Enqueue(Poison("k", 1));
        await bench.Queue.EnsureCommittedAsync("k", 1).WaitAsync(Limit, Token);

        Assert.Equal((0, 0), (bench.Counters.ParkedRows, bench.Counters.FenceHits));
    }

    [Fact]
    public Task Each_key_ends_at_its_last_version_whatever_rows_are_poison_and_whatever_fails() =>
        Gen.Select(Gen.Int[0, 1_000_000], Gen.OneOf(0, 20, 40), Gen.Int[1, 3], Gen.Int[1, 12])
            .SampleAsync(
                async (seed, failures, lanes, batch) =>
                {
                    const int Keys = 12;
                    var random = new Random(seed);
                    var (run, last) = (Guid.NewGuid().ToString("n"), new (long Version, bool IsPoison)[Keys]);
                    await using var bench = new QueueBench(
                        redis.Open(), new FaultyStore(_table, seed, failures),
                        new() { Lanes = lanes, BatchSize = batch, FlushInterval = TimeSpan.FromMilliseconds(1) }, new HastyClock());
                    bench.Queue.Start();
                    for (var i = 0; i < 120; i++)
                    {
                        var k = random.Next(Keys);
                        last[k] = (last[k].Version + 1, random.Next(3) == 0);
                        var key = $"{run}-{k}";
                        Assert.True(bench.Queue.Enqueue(last[k].IsPoison ? Poison(key, last[k].Version) : QueueBench.Make(key, last[k].Version)));
                        if (random.Next(6) == 0) await Task.Delay(random.Next(4));
                    }

                    Assert.Equal(0, await bench.DrainAsync());
                    Assert.Equal((0, 0L, 0), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes, bench.Counters.FenceHits));
                    for (var k = 0; k < Keys; k++)
                    {
                        var stored = await _table.ReadAsync($"{run}-{k}", CancellationToken.None);
                        Assert.Equal((last[k].Version, last[k].IsPoison), (stored?.Version ?? 0, stored?.IsParked ?? false));
                    }
                },
                iter: 12,
                threads: 1);

    private QueueBench Open(WriteBehindOptions? options = null) => new(redis.Open(), new FaultyStore(_table), options);

    private static Row Make(string key, long version, string state, long epoch = 1) => new(key, version, epoch, Encoding.UTF8.GetBytes(state));

    private static Row Poison(string key, long version, long epoch = 1) => Make(key, version, """{"poison":true}""", epoch);

    private async Task<T?> QueryAsync<T>(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }
}
