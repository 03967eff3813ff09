using System.Collections.Concurrent;
using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>The ceiling of unflushed bytes, and the backpressure below it.</summary>
[NeedsServers]
public sealed class CeilingTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private const int MaxBytes = 100_000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _prefix = $"ceiling-{Guid.NewGuid():n}";
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _store.MigrateAsync(Token);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public void Concurrent_threads_never_reserve_more_than_the_ceiling()
    {
        const int Threads = 8;
        var counters = new WriteBehindCounters();
        var options = new WriteBehindOptions { MaxUnflushedBytes = MaxBytes };
        var unflushed = new UnflushedBytes(
            options, new(options, () => false, counters, TimeProvider.System, NullLogger.Instance));
        long inUse = 0, most = 0, refused = 0;

        // The pool might run them one after the other, and one alone does not reach the ceiling.
        using var together = new Barrier(Threads);
        var threads = Enumerable.Range(0, Threads).Select(thread => new Thread(() => ReserveAndRelease(thread))).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.InRange(most, MaxBytes / 2, MaxBytes);
        Assert.True(refused > 0);
        Assert.Equal((0, WriteBehindState.Buffering), (unflushed.Current, unflushed.State));
        Assert.True(unflushed.TryReserve(MaxBytes));
        Assert.False(unflushed.TryReserve(1));

        void ReserveAndRelease(int thread)
        {
            together.SignalAndWait();
            var random = new Random(thread);
            var queued = new Queue<int>();
            for (var i = 0; i < 50_000; i++)
            {
                var bytes = random.Next(300, 5000);
                if (unflushed.TryReserve(bytes))
                {
                    // The bytes in use: added after the reservation, subtracted before the release.
                    var now = Interlocked.Add(ref inUse, bytes);
                    RaiseTo(ref most, now);
                    if (random.Next(3) == 0)
                    {
                        // The write was fenced.
                        Interlocked.Add(ref inUse, -bytes);
                        unflushed.Release(bytes);
                    }
                    else
                    {
                        unflushed.Add(bytes);
                        unflushed.Release(bytes);
                        queued.Enqueue(bytes);
                    }
                }
                else
                {
                    Interlocked.Increment(ref refused);
                }

                if (queued.Count > 8) Flush();
            }

            while (queued.Count > 0) Flush();

            void Flush()
            {
                var bytes = queued.Dequeue();
                Interlocked.Add(ref inUse, -bytes);
                unflushed.Add(-bytes);
            }
        }
    }

    [Fact]
    public async Task Concurrent_writers_never_exceed_the_ceiling_and_lose_no_acknowledged_write()
    {
        const int Keys = 600;
        await using var silo = Open();
        var owners = await Task.WhenAll(Enumerable.Range(0, Keys).Select(async i => (await silo.OpenAsync($"k{i}")).Owner));
        var acknowledged = new ConcurrentDictionary<string, long>();
        var refused = 0;
        var most = 0L;

        // Before the journal has responded: bytes in flight count.
        await Task.WhenAll(owners.Select(owner => Task.Run(() => WriteAsync(owner, 1))));
        Assert.InRange(refused, 1, Keys - 1);
        Assert.InRange(most, MaxBytes / 2, MaxBytes);
        Assert.InRange(silo.Table.Backlog.Bytes, MaxBytes / 2, MaxBytes);
        Assert.Equal(WriteBehindState.Refusing, silo.Table.State);
        Assert.Equal(refused, silo.Table.Counters.RefusedWrites);

        _gate.SetResult();
        await silo.Table.FlushAsync(Token).WaitAsync(Limit, Token);
        Assert.Equal((0, 0L, WriteBehindState.Buffering), (silo.Table.Backlog.Rows, silo.Table.Backlog.Bytes, silo.Table.State));
        Assert.Equal(Keys - refused, acknowledged.Count);
        foreach (var owner in owners)
            Assert.Equal(acknowledged.GetValueOrDefault(owner.Key), (await _store.ReadAsync(owner.Key, Token))?.Version ?? 0);

        async Task WriteAsync(Ownership owner, long version)
        {
            try
            {
                var durability = Partition.Of(owner.Key) == 0 ? Durability.Memory : Durability.Journal;
                await silo.Table.WriteAsync(SiloBench.Make(owner, version, padding: 500), durability);
                acknowledged[owner.Key] = version;
            }
            catch (OverloadedException)
            {
                Interlocked.Increment(ref refused);
            }

            var now = silo.Table.Backlog.Bytes;
            RaiseTo(ref most, now);
        }
    }

    [Fact]
    public async Task Reserved_bytes_are_released_whatever_the_outcome_of_the_write()
    {
        await using var silo = Open();
        await using var other = new SiloBench(redis.Open(_prefix), new FaultyStore(_store), 2);
        _gate.SetResult();

        // Several versions of one key are flushed as the last of them.
        var owner = (await silo.OpenAsync("coalesced")).Owner;
        await Task.WhenAll(Enumerable.Range(1, 50).Select(version => silo.Table.WriteAsync(SiloBench.Make(owner, version), Durability.Journal)));

        // A fenced write.
        owner = (await silo.OpenAsync("fenced")).Owner;
        await other.OpenAsync("fenced");
        Assert.Equal(WriteOutcome.NotWritten, (await silo.Table.Begin(SiloBench.Make(owner, 1), Durability.Journal).ReachAsync()).Outcome);

        // Writes without the journal.
        await silo.Table.WriteAsync(SiloBench.Make(Ownership.WithoutJournal("past"), 1), Durability.Journal);
        await silo.Table.WriteAsync(SiloBench.Make(Ownership.WithoutJournal("memory"), 1), Durability.Memory);

        // The journal becomes unavailable.
        owner = (await silo.OpenAsync("away")).Owner;
        silo.Redis.Isolate("a test");
        Assert.Equal(Durability.Database, (await silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal)).Durability);

        await silo.Table.FlushAsync(Token).WaitAsync(Limit, Token);
        Assert.Equal((0, 0L), (silo.Table.Backlog.Rows, silo.Table.Backlog.Bytes));

        // All bytes are available again.
        var row = SiloBench.Make(Ownership.WithoutJournal("large"), 1, padding: MaxBytes - 400);
        Assert.InRange(row.Bytes, MaxBytes - 100, MaxBytes);
        await silo.Table.WriteAsync(row, Durability.Memory);
    }

    [Fact]
    public async Task Throttle_delays_a_write_as_specified_and_can_be_cancelled()
    {
        var clock = new FakeTimeProvider();
        await using var silo = Open(clock);
        Assert.True(silo.Table.PaceAsync(Durability.Journal, Token).AsTask().IsCompletedSuccessfully);
        await FillAsync(silo, 0.7);
        Assert.Equal(WriteBehindState.Slowing, silo.Table.State);

        var delay = Backpressure.DelayAt(silo.Table.Backlog.Bytes, MaxBytes);
        Assert.InRange(delay.TotalMilliseconds, 35, 45);
        var paced = silo.Table.PaceAsync(Durability.Journal, Token).AsTask();
        var cancelled = new CancellationTokenSource();
        var other = silo.Table.PaceAsync(Durability.Memory, cancelled.Token).AsTask();
        clock.Advance(delay - TimeSpan.FromMilliseconds(1));
        Assert.False(paced.IsCompleted || other.IsCompleted);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other);
        clock.Advance(TimeSpan.FromMilliseconds(2));
        await paced.WaitAsync(Limit, Token);
        Assert.Equal(2, silo.Table.Counters.SlowedWrites);

        // The call waits for its commit anyway.
        Assert.True(silo.Table.PaceAsync(Durability.Database, Token).AsTask().IsCompletedSuccessfully);
        _gate.SetResult();
    }

    [Fact]
    public async Task Write_through_waits_for_the_commit_and_reports_it()
    {
        // The second of waiting never passes.
        await using var silo = Open(new FakeTimeProvider());
        var owner = (await silo.OpenAsync("k")).Owner;
        await FillAsync(silo, 0.8);
        Assert.Equal(WriteBehindState.WritingThrough, silo.Table.State);
        Assert.True(silo.Table.PaceAsync(Durability.Journal, Token).AsTask().IsCompletedSuccessfully);

        var writing = silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal);
        await Eventually.IsTrueAsync(() => Task.FromResult(silo.Table.Counters.JournaledRows > 0));
        _gate.SetResult();
        var written = await writing.WaitAsync(Limit, Token);

        Assert.Equal(WriteResult.Reached(Durability.Database, isJournaled: true), written);
        Assert.Equal(1, (await _store.ReadAsync("k", Token))!.Version);
    }

    [Fact]
    public async Task Write_through_waits_at_most_a_second_and_then_reports_journal()
    {
        var clock = new FakeTimeProvider();
        await using var silo = Open(clock);
        var owner = (await silo.OpenAsync("k")).Owner;
        await FillAsync(silo, 0.8);
        var writing = silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal);
        await Eventually.IsTrueAsync(() => Task.FromResult(silo.Table.Counters.JournaledRows > 0));
        Assert.False(writing.IsCompleted);
        await Eventually.IsTrueAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            return Task.FromResult(writing.IsCompleted);
        });
        Assert.Equal(Durability.Journal, (await writing).Durability);
        _gate.SetResult();
    }

    [Fact]
    public async Task Failing_database_disables_write_through_and_the_ceiling_rejects_writes()
    {
        await using var silo = Open();
        silo.Store.Before = _ => throw new StorageUnavailableException("the database", "It is down.");
        var owner = (await silo.OpenAsync("k")).Owner;
        await FillAsync(silo, 0.6);
        await Eventually.IsTrueAsync(() => Task.FromResult(silo.Table.Counters.FlushFailures > 0));
        await FillAsync(silo, 0.3);
        Assert.Equal(WriteBehindState.Slowing, silo.Table.State);
        Assert.Contains("It is down.", silo.Table.Counters.LastFlushError, StringComparison.Ordinal);
        Assert.Equal(Durability.Journal, (await silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal)).Durability);

        var refused = Assert.Throws<OverloadedException>(() => { _ = silo.Table.WriteAsync(SiloBench.Make(owner, 2, padding: MaxBytes / 5), Durability.Journal); });
        Assert.Equal(TimeSpan.FromSeconds(2), refused.RetryAfter);
        Assert.Equal(1, (await silo.OpenAsync("k")).Row!.Version);

        silo.Store.Before = _ => Task.CompletedTask;
        await silo.Table.FlushAsync(Token).WaitAsync(Limit, Token);
        Assert.Equal((0L, WriteBehindState.Buffering), (silo.Table.Backlog.Bytes, silo.Table.State));
        Assert.Equal(1, (await _store.ReadAsync("k", Token))!.Version);
    }

    private static void RaiseTo(ref long most, long now)
    {
        long seen;
        while ((seen = Volatile.Read(ref most)) < now) Interlocked.CompareExchange(ref most, now, seen);
    }

    [Theory]
    [InlineData(0.1, WriteBehindState.Buffering, 10, false)]
    [InlineData(0.1, WriteBehindState.Buffering, 10.1, true)]
    [InlineData(5, WriteBehindState.Buffering, 50, false)]
    [InlineData(5, WriteBehindState.Buffering, 50.1, true)]
    [InlineData(5, WriteBehindState.Slowing, 0, true)]
    [InlineData(5, WriteBehindState.Refusing, 0, true)]
    public async Task Backpressure_warns_long_before_writes_are_rejected(double interval, WriteBehindState state, double oldest, bool expected)
    {
        await using var silo = Open();
        _gate.SetResult();
        var view = new WriteBehindView(silo.Table, new() { FlushInterval = TimeSpan.FromSeconds(interval) });
        Assert.Equal(expected, view.IsAlarming(view.Status with { State = state, OldestUnflushed = TimeSpan.FromSeconds(oldest) }));
    }

    // Rows in memory only, so no write waits.
    private static async Task FillAsync(SiloBench silo, double share)
    {
        var size = SiloBench.Make(Ownership.WithoutJournal("fill-0123456789"), 1, padding: 600).Bytes;
        for (var i = 0; i < share * MaxBytes / size; i++)
        {
            var owner = Ownership.WithoutJournal($"fill-{Guid.NewGuid():n}"[..15]);
            await silo.Table.WriteAsync(SiloBench.Make(owner, 1, padding: 600), Durability.Memory);
        }
    }

    private SiloBench Open(TimeProvider? clock = null)
    {
        var silo = new SiloBench(
            redis.Open(_prefix), new FaultyStore(_store), 1,
            new() { MaxUnflushedBytes = MaxBytes, FlushInterval = TimeSpan.FromMilliseconds(5), BatchSize = 20 }, clock);
        silo.Store.Before = token => _gate.Task.WaitAsync(token);
        return silo;
    }
}
