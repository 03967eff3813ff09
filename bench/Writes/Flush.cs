using System.Diagnostics;
using Actors.Core;

namespace Actors.Bench.Writes;

/// <summary>
/// write.flush, ours: drains a queue of journaled rows into an empty table with the default batch size and lanes. Each batch is
/// also settled in Redis (the journal removes its rows), which the peer does not do.
/// </summary>
internal sealed class Flush(BenchServers servers) : Contender
{
    private string _database = "";
    private Row[] _rows = [];
    private BenchQueue? _queue;
    private int _turns;

    public override async Task PrepareAsync(Load load)
    {
        _rows = FlushRows.Make(load.Rows);
        _database = await servers.CreateDatabaseAsync();
    }

    public override async Task BeforeTurnAsync()
    {
        await BenchServers.TruncateUsersAsync(_database);
        _queue = new BenchQueue(servers.Redis, $"{servers.KeyPrefix}-flush-{_turns++}", _database);
        await _queue.JournalAsync(_rows.Length, i => _rows[i]);
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        await _queue!.DrainAsync();
        return new Turn(_rows.Length, watch.Elapsed);
    }

    public override async Task AfterTurnAsync()
    {
        await _queue!.DisposeAsync();
        _queue = null;
    }

    public override async Task VerifyAsync()
    {
        var stored = await BenchServers.CountAsync(_database, "SELECT count(*) FROM users");
        if (stored != _rows.Length) throw new InvalidOperationException($"{_rows.Length} rows were drained, but {stored} are in the database.");
    }

    public override ValueTask DisposeAsync() => _queue?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>The rows to drain, in arrival order, which differs from key order.</summary>
internal static class FlushRows
{
    public static Row[] Make(int count)
    {
        var rows = Enumerable.Range(0, count).Select(SampleUsers.Row).ToArray();
        new Random(1).Shuffle(rows);
        return rows;
    }
}
