using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>A store that, by a seed, fails before or after the commit or delays it, and keeps a record.</summary>
internal sealed class FaultyStore(IRowStore inner, int seed = 0, int failuresPercent = 0) : IRowStore
{
    private readonly Lock _gate = new();
    private readonly Random _random = new(seed);
    private readonly List<IReadOnlyList<Row>> _batches = [];

    public string Description => inner.Description;

    public IParkedRows Parked => inner.Parked;

    /// <summary>Awaited before each commit.</summary>
    public Func<CancellationToken, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Awaited after each read, before its result is returned.</summary>
    public Func<Task> AfterRead { get; set; } = () => Task.CompletedTask;

    /// <summary>The rows that cause an unexpected error, neither an outage nor a rejection.</summary>
    public Func<Row, bool> Stumbles { get; set; } = _ => false;

    /// <summary>The number of remaining responses that name each rejected row twice.</summary>
    public int TwiceAnswered { get; set; }

    /// <summary>False if the store must not keep the rows in memory.</summary>
    public bool KeepsRecord { get; init; } = true;

    /// <summary>The batches that the store received.</summary>
    public IReadOnlyList<IReadOnlyList<Row>> Batches
    {
        get
        {
            lock (_gate) return [.. _batches];
        }
    }

    public Task MigrateAsync(CancellationToken cancellationToken) => inner.MigrateAsync(cancellationToken);

    public Task CheckAsync(CancellationToken cancellationToken) => inner.CheckAsync(cancellationToken);

    public async Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        var rows = await inner.ReadAsync(keys, cancellationToken);
        await AfterRead();
        return rows;
    }

    public async Task<IReadOnlyList<FencedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        bool before, after;
        int pause;
        lock (_gate)
        {
            if (KeepsRecord) _batches.Add(rows);
            before = _random.Next(100) < failuresPercent;
            after = _random.Next(100) < failuresPercent;
            pause = _random.Next(100) < failuresPercent ? _random.Next(10) : 0;
        }

        await Before(cancellationToken);
        if (rows.Any(Stumbles)) throw new KeyNotFoundException("The store failed unexpectedly.");
        if (pause > 0) await Task.Delay(pause, cancellationToken);
        if (before) throw new StorageUnavailableException("the database", "It failed before the commit.");
        var refused = await inner.UpsertAsync(rows, cancellationToken);
        if (after) throw new TimeoutException("It failed after the commit.");
        return refused.Count > 0 && TwiceAnswered-- > 0 ? [.. refused, .. refused] : refused;
    }
}
