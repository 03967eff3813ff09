using System.Runtime.CompilerServices;
using Actors.Contracts;
using Actors.Fixtures;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

[NeedsServers]
public sealed class FlushQueueTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private PostgresRowStore _table = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _table = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _table.MigrateAsync(Token);
    }

    public ValueTask DisposeAsync() => _table.DisposeAsync();

    [Fact]
    public async Task Awaited_row_is_flushed_at_once_without_other_rows()
    {
        await using var bench = Open(new() { FlushInterval = Long, Lanes = 1 });
        bench.Queue.Start();
        bench.Queue.Enqueue(QueueBench.Make("patient", 1));
        bench.Queue.Enqueue(QueueBench.Make("urgent", 1));

        await bench.Queue.EnsureCommittedAsync("urgent", 1).WaitAsync(Limit, Token);

        Assert.NotNull(await _table.ReadAsync("urgent", Token));
        Assert.Null(await _table.ReadAsync("patient", Token));
        Assert.Equal(1, bench.Queue.Find("patient")?.Version);
        Assert.Equal(0, await bench.DrainAsync());
        Assert.NotNull(await _table.ReadAsync("patient", Token));
    }

    [Fact]
    public async Task Awaited_rows_do_not_starve_other_rows()
    {
        await using var bench = Open(new() { FlushInterval = TimeSpan.FromMilliseconds(1), Lanes = 1, BatchSize = 4 });
        bench.Queue.Enqueue(QueueBench.Make("patient", 1));
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Backlog.Oldest > TimeSpan.FromMilliseconds(1)));
        var urgent = Enumerable.Range(0, 40).Select(i =>
        {
            bench.Queue.Enqueue(QueueBench.Make($"urgent-{i}", 1));
            return bench.Queue.EnsureCommittedAsync($"urgent-{i}", 1);
        }).ToList();

        bench.Queue.Start();
        await Task.WhenAll(urgent).WaitAsync(Limit, Token);

        Assert.Contains(bench.Store.Batches[0], row => row.Key == "patient");
        Assert.All(bench.Store.Batches, batch => Assert.InRange(batch.Count, 1, 4));
    }

    [Fact]
    public async Task Committed_rows_are_released_while_another_row_waits()
    {
        await using var bench = new QueueBench(
            redis.Open(), new FaultyStore(_table) { KeepsRecord = false }, new() { FlushInterval = Long, Lanes = 1 });
        bench.Queue.Start();
        bench.Queue.Enqueue(QueueBench.Make("patient", 1));
        var states = new List<WeakReference>();
        for (var i = 0; i < 300; i++) states.Add(await CommitAsync(bench, $"urgent-{i}"));

        await Eventually.IsTrueAsync(() =>
        {
            GC.Collect();
            return Task.FromResult(states.Count(state => state.IsAlive) < 100);
        });
    }

    [Fact]
    public async Task Write_is_committed_if_its_owner_already_committed_a_later_one()
    {
        await using var bench = Open();
        bench.Queue.Start();
        bench.Queue.Enqueue(QueueBench.Make("k", 2));
        await bench.Queue.EnsureCommittedAsync("k", 2).WaitAsync(Limit, Token);

        bench.Queue.Enqueue(QueueBench.Make("k", 1));
        await bench.Queue.EnsureCommittedAsync("k", 1).WaitAsync(Limit, Token);

        Assert.Equal(0, bench.Counters.FenceHits);
        Assert.Equal(2, (await _table.ReadAsync("k", Token))!.Version);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 3)]
    public async Task Write_that_lost_to_another_owner_is_reported_as_lost(long version, long stored)
    {
        await using var bench = Open();
        await _table.UpsertAsync([QueueBench.Make("k", stored, epoch: 9)], Token);
        bench.Queue.Enqueue(QueueBench.Make("k", version));
        var committed = bench.Queue.CommittedAsync("k", version);

        bench.Queue.Start();

        Assert.Equal(new CommitResult(CommitOutcome.Fenced, StoredVersion: stored), await committed.WaitAsync(Limit, Token));
        Assert.Equal(1, bench.Counters.FenceHits);
        Assert.Equal(0, await bench.DrainAsync());
        Assert.Equal((0, 0L), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
    }

    [Fact]
    public async Task Lost_row_does_not_become_the_cached_copy()
    {
        await using var bench = Open();
        await bench.Cache.FillAsync([QueueBench.Make("k", 1, epoch: 9)]);
        await _table.UpsertAsync([QueueBench.Make("k", 2, epoch: 9)], Token);
        bench.Queue.Enqueue(QueueBench.Make("k", 2));
        bench.Queue.Start();
        Assert.Equal(0, await bench.DrainAsync());

        Assert.Null(await bench.Cache.ReadAsync("k"));
    }

    [Fact]
    public async Task Flushed_row_updates_the_cached_copy_and_leaves_the_journal()
    {
        await using var bench = Open();
        await bench.Cache.FillAsync([QueueBench.Make("k", 1)]);
        var (owner, _) = await bench.Journal.ClaimAsync("k");
        var row = QueueBench.Make("k", 2, owner.Epoch);
        await bench.Journal.AppendAsync(row);
        bench.Queue.Enqueue(row);
        bench.Queue.Start();
        Assert.Equal(0, await bench.DrainAsync());

        Assert.Equal((2, owner.Epoch), ((await bench.Cache.ReadAsync("k"))!.Version, (await bench.Cache.ReadAsync("k"))!.Epoch));
        Assert.Null((await bench.Journal.ClaimAsync("k")).Row);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Drain_with_a_dead_database_ends_in_time_and_reports_the_remaining_rows(bool failsOnceAborted)
    {
        await using var bench = Open();
        bench.Store.Before = async token =>
        {
            if (failsOnceAborted) await Task.Delay(Timeout.Infinite, token).ContinueWith(_ => { }, TaskScheduler.Default);
            throw new StorageUnavailableException("the database", "It is down.");
        };
        bench.Queue.Start();
        for (var i = 0; i < 50; i++) bench.Queue.Enqueue(QueueBench.Make($"k{i}", 1));
        var waiting = bench.Queue.CommittedAsync("k7", 1);

        Assert.Equal(50, await bench.DrainAsync(TimeSpan.FromMilliseconds(300)).WaitAsync(Limit, Token));

        Assert.Equal(Enumerable.Range(0, 50).Sum(i => QueueBench.Make($"k{i}", 1).Bytes), bench.Queue.Backlog.Bytes);
        Assert.False(waiting.IsCompleted);
    }

    [Fact]
    public async Task Writes_at_the_ceiling_are_rejected_until_rows_are_flushed()
    {
        var row = QueueBench.Make("k", 1, padding: 1000);
        await using var bench = Open(new() { MaxUnflushedBytes = row.Bytes, FlushInterval = TimeSpan.FromMilliseconds(300) });
        bench.Queue.Admit();
        bench.Queue.Reserve(row);

        // It counts in flight, and once in the queue it counts once.
        Assert.Throws<OverloadedException>(bench.Queue.Admit);
        bench.Queue.Enqueue(row);
        bench.Queue.Release(row);
        Assert.Equal(row.Bytes, bench.Queue.Backlog.Bytes);

        var refused = Assert.Throws<OverloadedException>(bench.Queue.Admit);
        Assert.Equal(TimeSpan.FromMilliseconds(300), refused.RetryAfter);
        Assert.Contains("Actors:WriteBehind:MaxUnflushedBytes", refused.Message, StringComparison.Ordinal);
        Assert.Throws<OverloadedException>(() => bench.Queue.Reserve(row));
        Assert.Equal((WriteBehindState.Refusing, 3), (bench.Queue.State, bench.Counters.RefusedWrites));

        bench.Queue.Start();
        await bench.Queue.EnsureCommittedAsync("k", 1).WaitAsync(Limit, Token);
        bench.Queue.Reserve(row);
        bench.Queue.Release(row);
        Assert.Equal((0, WriteBehindState.Buffering), (bench.Queue.Backlog.Bytes, bench.Queue.State));
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(60_000, 1000)]
    public async Task Rejected_write_gets_a_short_retry_after(int interval, int retryAfter)
    {
        await using var bench = Open(new() { MaxUnflushedBytes = 300, FlushInterval = TimeSpan.FromMilliseconds(interval) });
        var refused = Assert.Throws<OverloadedException>(() => bench.Queue.Reserve(QueueBench.Make("k", 1, padding: 1000)));
        Assert.Equal(TimeSpan.FromMilliseconds(retryAfter), refused.RetryAfter);
    }

    // Not inlined, so that the stack of the test does not hold the row.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> CommitAsync(QueueBench bench, string key)
    {
        var row = QueueBench.Make(key, 1, padding: 1000);
        bench.Queue.Enqueue(row);
        await bench.Queue.EnsureCommittedAsync(key, 1).WaitAsync(Limit, Token);
        return new WeakReference(row);
    }

    private QueueBench Open(WriteBehindOptions? options = null) => new(redis.Open(), new FaultyStore(_table), options);
}
