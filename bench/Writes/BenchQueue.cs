using Actors.Core;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Bench.Writes;

/// <summary>A silo's journal and queue on the servers of a case, without the silo: filled on demand, then drained.</summary>
internal sealed class BenchQueue : IAsyncDisposable
{
    // As many calls in flight as on a busy silo.
    private const int Writers = 2048;

    private readonly PostgresRowStore _store;
    private readonly RedisGateway _redis;
    private readonly FlushQueue _queue;

    public BenchQueue(string redis, string keyPrefix, string database)
    {
        _store = new PostgresRowStore(database);

        // Responses may be slow while a million rows are journaled at full speed.
        _redis = new RedisGateway(
            new RedisOptions { ConnectionString = redis, KeyPrefix = keyPrefix },
            new BreakerOptions
            {
                CallTimeout = TimeSpan.FromSeconds(30),
                SlowCallDuration = TimeSpan.FromSeconds(20),
                SilenceDuration = TimeSpan.FromSeconds(30),
            });
        var cutOff = new PartitionedSilos(new NoPeers(), NullLogger<PartitionedSilos>.Instance);
        var cache = new RowCache(_redis, cutOff, Options.Create(new CacheOptions()));
        Journal = new Journal(_redis, "bench", journaled: row => _queue!.Enqueue(row), Counters, NullLogger.Instance);
        _queue = new FlushQueue(
            _store, Journal, cache, new WriteBehindOptions { MaxUnflushedBytes = 1L << 40 }, Counters, TimeProvider.System, NullLogger.Instance);
    }

    public WriteBehindCounters Counters { get; } = new();

    public Journal Journal { get; }

    /// <summary>Claims the keys of the rows and journals them, as their writers would; this enqueues them.</summary>
    public async Task<Ownership[]> JournalAsync(int count, Func<int, Row> rowOf)
    {
        var owners = new Ownership[count];
        await Callers.EachAsync(Writers, count, async i =>
        {
            var row = rowOf(i);
            owners[i] = (await Journal.ClaimAsync(row.Key)).Owner;
            await AppendAsync(row with { Epoch = owners[i].Epoch, MayBeCached = false });
        });
        return owners;
    }

    public async Task AppendAsync(Row row)
    {
        var append = new PendingAppend(row);
        Journal.Append(append);
        if (await append.Answered is not AppendOutcome.Journaled and var outcome)
            throw new InvalidOperationException($"'{row.Key}' was not journaled: {outcome}.");
    }

    /// <summary>Flushes until the queue is empty.</summary>
    public async Task DrainAsync()
    {
        _queue.Start();
        var left = await _queue.DrainAsync(TimeSpan.FromMinutes(5));
        if (left > 0) throw new InvalidOperationException($"{left} rows were not flushed.");
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Dispose();
        await _redis.DisposeAsync();
        await _store.DisposeAsync();
    }
}
