using Actors.Fixtures;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Rows that PostgreSQL neither accepts nor allows to be parked, in a queue with valid rows.</summary>
[NeedsServers]
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

    // One of each kind: an unknown class, a right revoked by a row policy, a program limit, an internal error.
    [Theory]
    [InlineData("ZZ001")]
    [InlineData("42501")]
    [InlineData("54001")]
    [InlineData("XX000")]
    public async Task Row_rejected_with_an_unknown_code_is_parked_while_others_are_committed(string state)
    {
        await RaiseAsync("NEW.id LIKE 'bad%'", state);
        await using var bench = Open();
        await CommitAsync(bench, "ok0");
        var bad = Enumerable.Range(0, 8).Select(i => Enqueue(bench, $"bad{i}")).ToList();

        await CommitAsync(bench, "ok1");

        foreach (var row in bad) Assert.Contains(state, await ParkedAsync(row), StringComparison.Ordinal);
        Assert.Equal(8, await _table.Parked.CountAsync(Token));
    }

    [Theory]
    [InlineData("ZZ001")]
    [InlineData("42501")]
    [InlineData("XX000")]
    public async Task Error_code_of_every_row_parks_nothing(string state)
    {
        await using var bench = Open();
        await CommitAsync(bench, "ok0");
        await RaiseAsync("true", state);
        var rows = Enumerable.Range(0, 20).Select(i => Enqueue(bench, $"row{i}")).ToList();
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Counters.FlushFailures > 2));
        Assert.True(bench.Queue.IsFailing);
        Assert.Equal(0, await _table.Parked.CountAsync(Token));

        await QueryAsync("DROP TRIGGER refuse ON users");
        await CommittedAsync(rows);

        Assert.Equal(0, bench.Counters.ParkedRows);
        Assert.False(bench.Queue.IsFailing);
    }

    [Fact]
    public async Task Row_that_cannot_be_parked_does_not_delay_others()
    {
        await RaiseAsync("NEW.id LIKE 'bad%'", "P0001");
        await QueryAsync("ALTER TABLE parked ADD CONSTRAINT full_up CHECK (id NOT LIKE 'bad%')");
        await using var bench = Open();
        var bad = Enumerable.Range(0, 8).Select(i => Enqueue(bench, $"bad{i}")).ToList();

        await CommitAsync(bench, "ok1");
        await CommitAsync(bench, "ok2");
        Assert.DoesNotContain(bad, row => row.IsCompleted);
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Held.Rows == 8));
        Assert.Equal((8, 8, false), (bench.Queue.Held.Rows, bench.Queue.Backlog.Rows, bench.Queue.IsFailing));
        Assert.Contains("not this one (P0001); and it cannot be parked: ", bench.Queue.Held.Reason, StringComparison.Ordinal);

        await QueryAsync("ALTER TABLE parked DROP CONSTRAINT full_up");
        foreach (var row in bad) await ParkedAsync(row);
        Assert.Equal(8, await _table.Parked.CountAsync(Token));
        Assert.Equal((0, 0, 0L), (bench.Queue.Held.Rows, bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
    }

    [Fact]
    public async Task Later_version_replaces_a_held_row_and_all_waiting_calls_complete()
    {
        await RaiseAsync("NEW.id = 'bad' AND NEW.version < 9", "P0001");
        await QueryAsync("ALTER TABLE parked ADD CONSTRAINT full_up CHECK (id <> 'bad')");
        await using var bench = Open();
        var waiting = new List<Task<CommitResult>>();
        for (var version = 1; version <= 8; version++)
        {
            waiting.Add(Enqueue(bench, "bad", version));
            await CommitAsync(bench, $"ok{version}");
        }

        Assert.Equal((1, 8), (bench.Queue.Backlog.Rows, bench.Queue.Find("bad")!.Version));
        waiting.Add(Enqueue(bench, "bad", 9));
        await CommittedAsync(waiting);

        Assert.Equal((9, false), ((await _table.ReadAsync("bad", Token))!.Version, (await _table.ReadAsync("bad", Token))!.IsParked));
        Assert.Equal((0, 0L), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
    }

    [Fact]
    public async Task Reason_that_cannot_be_stored_is_replaced()
    {
        await RaiseAsync("NEW.id = 'bad'", "P0001", "nicht f\u00fcr 日本");
        await QueryAsync("ALTER TABLE parked ADD CONSTRAINT plain CHECK (reason ~ '^[ -~]*$')");
        await using var bench = Open();

        await ParkedAsync(Enqueue(bench, "bad"));

        Assert.Equal("nicht f?r ?? (P0001)", Assert.Single(await _table.Parked.ListAsync(null, 10, Token)).Reason);
    }

    [Fact]
    public async Task Invalid_UTF8_key_is_held_while_others_are_committed()
    {
        await using var bench = Open();
        string[] keys = ["NUL \0", "half a pair \ud800", "another \udc00"];
        var bad = keys.Select(key => Enqueue(bench, key)).ToList();

        for (var i = 0; i < 10; i++) await CommitAsync(bench, $"ok{i}");

        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Held.Rows == 3));
        Assert.DoesNotContain(bad, row => row.IsCompleted);
        Assert.Equal(3, await bench.DrainAsync(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task Locked_row_is_held_while_others_are_committed()
    {
        await _table.UpsertAsync([QueueBench.Make("bad", 1), QueueBench.Make("fine", 1)], Token);
        await using var impatient = new PostgresRowStore(_database + ";Command Timeout=1");
        await using var other = new NpgsqlConnection(_database);
        await other.OpenAsync(Token);
        await using var transaction = await other.BeginTransactionAsync(Token);
        await using (var command = new NpgsqlCommand("SELECT 1 FROM users WHERE id = 'bad' FOR UPDATE", other)) await command.ExecuteNonQueryAsync(Token);
        await using var bench = Open(store: impatient);
        var bad = Enqueue(bench, "bad", 2);
        var others = Enumerable.Range(0, 20).Select(i => Enqueue(bench, $"ok{i}")).Append(Enqueue(bench, "fine", 2)).ToList();

        await CommittedAsync(others);
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Held.Rows == 1));

        Assert.False(bad.IsCompleted);
        Assert.Equal(0, bench.Counters.ParkedRows);
        await transaction.RollbackAsync(Token);
        await CommittedAsync([bad]);
        Assert.Equal(2, (await _table.ReadAsync("bad", Token))!.Version);
    }

    [Fact]
    public async Task Retries_of_a_locked_row_do_not_block_the_lane()
    {
        await _table.UpsertAsync([QueueBench.Make("bad", 1)], Token);
        await using var table = new PostgresRowStore(_database + ";Command Timeout=40") { LockPatience = TimeSpan.FromMilliseconds(300) };
        await using var other = new NpgsqlConnection(_database);
        await other.OpenAsync(Token);
        await using var transaction = await other.BeginTransactionAsync(Token);
        await using (var command = new NpgsqlCommand("SELECT 1 FROM users WHERE id = 'bad' FOR UPDATE", other)) await command.ExecuteNonQueryAsync(Token);
        await using var bench = Open(store: table, lanes: 1);
        var bad = Enqueue(bench, "bad", 2);

        // The first attempt, and one more while the row is held: an attempt takes the command timeout.
        for (var i = 0; bench.Store.Batches.Count(batch => batch.Any(row => row.Key == "bad")) < 2 || bench.Queue.Held.Rows == 0; i++)
            await CommittedAsync([Enqueue(bench, $"ok{i}")], TimeSpan.FromSeconds(25));

        Assert.False(bad.IsCompleted);
        await transaction.RollbackAsync(Token);
        await CommittedAsync([bad]);
    }

    [Fact]
    public async Task Held_rows_are_committed_although_one_still_fails_unexpectedly()
    {
        await using var bench = Open(lanes: 1);
        bench.Store.Stumbles = row => row.Key.StartsWith("bad", StringComparison.Ordinal);
        var bad = Enumerable.Range(0, 8).Select(i => Enqueue(bench, $"bad{i}")).ToList();
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Held.Rows == 8));

        bench.Store.Stumbles = row => row.Key == "bad3";
        await CommittedAsync(bad.Where((_, i) => i != 3));
        Assert.False(bad[3].IsCompleted);
    }

    // A defect, not an outage: it must not park the row or delay the others.
    [Fact]
    public async Task Row_that_fails_unexpectedly_is_held_while_others_are_committed()
    {
        await using var bench = Open();
        bench.Store.Stumbles = row => row.Key == "bad";
        var bad = Enqueue(bench, "bad");
        var others = Enumerable.Range(0, 20).Select(i => Enqueue(bench, $"ok{i}")).ToList();

        await CommittedAsync(others);

        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Held.Rows == 1));
        Assert.Equal(0, bench.Counters.ParkedRows);
        bench.Store.Stumbles = _ => false;
        await CommittedAsync([bad]);
    }

    [Fact]
    public async Task Throwing_logger_does_not_end_the_flush_loop()
    {
        await RaiseAsync("NEW.id LIKE 'bad%'", "P0001");
        await using var bench = Open(new ThrowingLogger());
        await _table.UpsertAsync([QueueBench.Make("lost", 5, epoch: 9)], Token);

        for (var i = 0; i < 5; i++)
        {
            var bad = Enqueue(bench, $"bad{i}");
            await CommitAsync(bench, $"ok{i}");
            await ParkedAsync(bad);
            Assert.Equal(CommitOutcome.Fenced, (await Enqueue(bench, "lost").WaitAsync(Limit, Token)).Outcome);
        }

        Assert.Empty(bench.Loops.Failing);
        Assert.Equal((0, 0L, false), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes, bench.Queue.IsFailing));
    }

    [Fact]
    public async Task Unexpected_lane_failure_is_reported_and_the_batch_is_retried()
    {
        var clock = new BrokenClock();
        await using var bench = Open(clock: clock);
        await CommitAsync(bench, "ok0");
        clock.IsBroken = true;
        var waiting = Enumerable.Range(0, 20).Select(i => Enqueue(bench, $"k{i}")).ToList();

        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Loops.Failing.Count == 2));
        Assert.True(bench.Queue.IsFailing);
        Assert.Contains("Flushing to the database", bench.Loops.Failing[0].Name, StringComparison.Ordinal);

        clock.IsBroken = false;
        await CommittedAsync(waiting);
        await CommitAsync(bench, "ok1");
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Loops.Failing.Count == 0));
        Assert.False(bench.Queue.IsFailing);
    }

    [Fact]
    public async Task Duplicate_key_in_a_store_response_does_not_end_the_flush_loop()
    {
        await using var bench = Open();
        await _table.UpsertAsync([QueueBench.Make("k", 5, epoch: 9)], Token);
        bench.Store.TwiceAnswered = 1;
        var lost = Enqueue(bench, "k");

        Assert.Equal(CommitOutcome.Fenced, (await lost.WaitAsync(Limit, Token)).Outcome);
        for (var i = 0; i < 10; i++) await CommitAsync(bench, $"ok{i}");
        Assert.False(bench.Queue.IsFailing);
    }

    private static Task<CommitResult> Enqueue(QueueBench bench, string key, long version = 1)
    {
        bench.Queue.Enqueue(QueueBench.Make(key, version));
        return bench.Queue.CommittedAsync(key, version);
    }

    private static Task CommitAsync(QueueBench bench, string key) => CommittedAsync([Enqueue(bench, key)]);

    private static async Task CommittedAsync(IEnumerable<Task<CommitResult>> rows, TimeSpan? limit = null) =>
        Assert.All(await Task.WhenAll(rows).WaitAsync(limit ?? Limit, Token), row => Assert.Equal(CommitOutcome.Committed, row.Outcome));

    private static async Task<string> ParkedAsync(Task<CommitResult> row)
    {
        var result = await row.WaitAsync(Limit, Token);
        Assert.Equal(CommitOutcome.Parked, result.Outcome);
        return result.Reason!;
    }

    private QueueBench Open(ILogger? logger = null, TimeProvider? clock = null, PostgresRowStore? store = null, int lanes = 2)
    {
        var bench = new QueueBench(
            redis.Open(), new FaultyStore(store ?? _table), new() { Lanes = lanes, FlushInterval = TimeSpan.FromMilliseconds(5) }, clock, logger);
        bench.Queue.Start();
        return bench;
    }

    private Task RaiseAsync(string when, string state, string message = "not this one") => QueryAsync(
        $"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {when} THEN RAISE '{message}' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();
        """);

    private async Task QueryAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Token);
    }

    /// <summary>A clock that fails when a timer is set, except in the loop that handles failures.</summary>
    private sealed class BrokenClock : TimeProvider
    {
        private volatile bool _isBroken;

        public bool IsBroken
        {
            get => _isBroken;
            set => _isBroken = value;
        }

        public override long GetTimestamp() => IsBroken && IsLane() ? throw new InvalidOperationException("The clock failed.") : base.GetTimestamp();

        private static bool IsLane() => Environment.StackTrace.Contains($"{nameof(LaneQueue)}.IsDueAsync", StringComparison.Ordinal);
    }
}
