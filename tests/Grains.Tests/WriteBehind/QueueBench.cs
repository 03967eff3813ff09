using System.Text;
using Actors.Core;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>A queue over a real journal, cache and table, with a store in between that can be made to fail.</summary>
internal sealed class QueueBench : IAsyncDisposable
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(60);

    private readonly RedisGateway _redis;
    private bool _isDrained;

    public QueueBench(RedisGateway redis, FaultyStore store, WriteBehindOptions? options = null, TimeProvider? clock = null,
        ILogger? logger = null)
    {
        _redis = redis;
        Store = store;
        Cache = new RowCache(redis, new PartitionedSilos(new NoPeers(), NullLogger<PartitionedSilos>.Instance), Options.Create(new CacheOptions()));
        Journal = new Journal(redis, "bench", journaled: _ => { }, Counters, NullLogger.Instance);
        Queue = new FlushQueue(
            store, Journal, Cache, options ?? new() { FlushInterval = TimeSpan.FromMilliseconds(5) }, Counters,
            clock ?? TimeProvider.System, logger ?? NullLogger.Instance, Loops);
    }

    public BackgroundLoops Loops { get; } = new();

    public FaultyStore Store { get; }

    public RowCache Cache { get; }

    public Journal Journal { get; }

    public FlushQueue Queue { get; }

    public WriteBehindCounters Counters { get; } = new();

    public static Row Make(string key, long version, long epoch = 1, int padding = 0) => new(
        key, version, epoch, Encoding.UTF8.GetBytes($"{{\"displayName\":\"{new string('x', padding)}\",\"by\":{epoch},\"at\":{version}}}"));

    public Task<int> DrainAsync(TimeSpan? limit = null)
    {
        _isDrained = true;
        return Queue.DrainAsync(limit ?? DrainLimit);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_isDrained) await DrainAsync(TimeSpan.Zero);
        Queue.Dispose();
        await _redis.DisposeAsync();
    }
}
