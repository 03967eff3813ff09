using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Rows that PostgreSQL neither takes nor lets be parked, on their way through the queue beside others that it takes.</summary>
public sealed class StuckRowTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
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
    }

    public ValueTask DisposeAsync() => _table.DisposeAsync();

    // One of each kind: of no class at all, a right that a policy of one row takes, a limit of the program, a defect inside.
    [Theory]
    [InlineData("ZZ001")]
    [InlineData("42501")]
    [InlineData("54001")]
    [InlineData("XX000")]
    public async Task A_row_refused_with_an_unknown_code_is_parked_while_others_are_committed(string state)
    {
        await RaiseAsync("NEW.id LIKE 'bad%'", state);
        await using var bench = Open();
        await CommitAsync(bench, "ok0");
        var bad = Enumerable.Range(0, 8).Select(i => Enqueue(bench, $"bad{i}")).ToList();

        await CommitAsync(bench, "ok1");

        foreach (var row in bad)
            Assert.Contains(state, (await Assert.ThrowsAsync<RowParkedException>(() => row.WaitAsync(Limit, Token))).Reason, StringComparison.Ordinal);
        Assert.Equal(8, await _table.Parked.CountAsync(Token));
    }

    [Theory]
    [InlineData("ZZ001")]
    [InlineData("42501")]
    [InlineData("XX000")]
    public async Task A_code_that_befalls_every_row_parks_nothing(string state)
    {
        await using var bench = Open();
        await CommitAsync(bench, "ok0");
        await RaiseAsync("true", state);
        var rows = Enumerable.Range(0, 20).Select(i => Enqueue(bench, $"row{i}")).ToList();
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Counters.FlushFailures > 2));
        Assert.True(bench.Queue.IsFailing);
        Assert.Equal(0, await _table.Parked.CountAsync(Token));

        await QueryAsync("DROP TRIGGER refuse ON users");
        await Task.WhenAll(rows).WaitAsync(Limit, Token);

        Assert.Equal(0, bench.Counters.ParkedRows);
        Assert.False(bench.Queue.IsFailing);
    }

    [Fact]
    public async Task A_row_that_can_not_even_be_parked_does_not_hold_up_the_others()
    {
        await RaiseAsync("NEW.id LIKE 'bad%'", "P0001");
        await QueryAsync("ALTER TABLE parked ADD CONSTRAINT full_up CHECK (id NOT LIKE 'bad%')");
        await using var bench = Open();
        var bad = Enumerable.Range(0, 8).Select(i => Enqueue(bench, $"bad{i}")).ToList();

        await CommitAsync(bench, "ok1");
        await CommitAsync(bench, "ok2");
        Assert.DoesNotContain(bad, row => row.IsCompleted);

        await QueryAsync("ALTER TABLE parked DROP CONSTRAINT full_up");
        foreach (var row in bad) await Assert.ThrowsAsync<RowParkedException>(() => row.WaitAsync(Limit, Token));
        Assert.Equal(8, await _table.Parked.CountAsync(Token));
    }

    [Fact]
    public async Task A_store_that_answers_a_key_twice_does_not_end_the_flushing()
    {
        await using var bench = Open();
        await _table.UpsertAsync([QueueBench.Make("k", 5, epoch: 9)], Token);
        bench.Store.TwiceAnswered = 1;
        var lost = Enqueue(bench, "k");

        await Assert.ThrowsAsync<OwnershipLostException>(() => lost.WaitAsync(Limit, Token));
        for (var i = 0; i < 10; i++) await CommitAsync(bench, $"ok{i}");
        Assert.False(bench.Queue.IsFailing);
    }

    private static Task Enqueue(QueueBench bench, string key)
    {
        bench.Queue.Enqueue(QueueBench.Make(key, 1));
        return bench.Queue.CommittedAsync(key, 1);
    }

    private static Task CommitAsync(QueueBench bench, string key) => Enqueue(bench, key).WaitAsync(Limit, Token);

    private QueueBench Open()
    {
        var bench = new QueueBench(redis.Open(), new FaultyStore(_table), new() { Lanes = 2, FlushInterval = TimeSpan.FromMilliseconds(5) });
        bench.Queue.Start();
        return bench;
    }

    private Task RaiseAsync(string when, string state) => QueryAsync(
        $"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {when} THEN RAISE 'not this one' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();
        """);

    private async Task QueryAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Token);
    }
}
