using System.Diagnostics;
using Actors.Caching;
using Actors.Resilience;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Bench.Writes;

/// <summary>
/// write.flush, ours: the silo's queue, filled with rows that were never journaled, then drained into an empty table with
/// the default batch size and lanes. Redis runs as usual, and each batch is settled with it (cached copies refreshed,
/// journal trimmed; both find nothing to change), which the peer does not have to do.
/// </summary>
internal sealed class Flush(BenchServers servers) : Contender
{
    private string _database = "";
    private PostgresRowStore? _store;
    private RedisGateway? _redis;
    private FlushQueue? _queue;
    private Row[] _rows = [];

    public override async Task PrepareAsync(Load load)
    {
        _rows = FlushRows.Make(load.Rows);
        _database = await servers.CreateDatabaseAsync();
        _store = new PostgresRowStore(_database);
        _redis = new RedisGateway(new RedisOptions
        {
            ConnectionString = servers.Redis,
            KeyPrefix = $"{servers.KeyPrefix}-flush",
        });
    }

    public override async Task BeforeTurnAsync()
    {
        await BenchServers.TruncateUsersAsync(_database);
        var options = new WriteBehindOptions { MaxUnflushedBytes = 1L << 40 };
        var counters = new WriteBehindCounters();
        var cache = new RowCache(_redis!, new CutOffSilos(() => [], (_, _) => Task.CompletedTask, NullLogger<CutOffSilos>.Instance), Options.Create(new CacheOptions()));
        var journal = new Journal(_redis!, "bench", journaled: _ => { }, counters, NullLogger.Instance);
        _queue = new FlushQueue(_store!, journal, cache, options, counters, TimeProvider.System, NullLogger.Instance);
        foreach (var row in _rows) _queue.Enqueue(row);
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        _queue!.Start();
        var left = await _queue.DrainAsync(TimeSpan.FromMinutes(5));
        return left == 0
            ? new Turn(_rows.Length, watch.Elapsed)
            : throw new InvalidOperationException($"{left} of {_rows.Length} rows were not flushed.");
    }

    public override Task AfterTurnAsync()
    {
        _queue!.Dispose();
        _queue = null;
        return Task.CompletedTask;
    }

    public override async Task VerifyAsync()
    {
        var stored = await BenchServers.CountAsync(_database, "SELECT count(*) FROM users");
        if (stored != _rows.Length) throw new InvalidOperationException($"{_rows.Length} rows were drained, and {stored} are in the database.");
    }

    public override async ValueTask DisposeAsync()
    {
        _queue?.Dispose();
        if (_store is not null) await _store.DisposeAsync();
        if (_redis is not null) await _redis.DisposeAsync();
    }
}

/// <summary>The rows to be drained, in the order in which they came: any order but that of the keys.</summary>
internal static class FlushRows
{
    public static Row[] Make(int count)
    {
        var rows = Enumerable.Range(0, count).Select(SampleUsers.Row).ToArray();
        new Random(1).Shuffle(rows);
        return rows;
    }
}
