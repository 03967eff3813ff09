using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// Keys whose row the table refused, as far as this silo knows: it parked them, or read them as parked. Their rows go to
/// the table apart from others, and whoever waits for them is told of what became of them.
/// </summary>
/// <remarks>
/// Bounded: of more than 2 × <paramref name="generation"/> keys the oldest are forgotten. Then any key may be one, and is
/// looked for in the database.
/// </remarks>
internal sealed class RejectedKeyCache(IParkedRows parked, int generation = 50_000)
{
    // Guards the fields below; held for a few look-ups, never over an await. Taken by the lane's loop, by those who wait
    // for commits, and by reads.
    private readonly Lock _gate = new();
    private HashSet<string> _newer = [];
    private HashSet<string> _older = [];
    private bool _hasForgotten;

    public void Add(string key)
    {
        lock (_gate)
        {
            if (_newer.Count >= generation)
            {
                _hasForgotten |= _older.Count > 0;
                (_older, _newer) = (_newer, []);
            }

            _newer.Add(key);
        }
    }

    /// <summary>The table took the rows of these keys.</summary>
    public void Clear(IEnumerable<string> keys)
    {
        lock (_gate)
        {
            if (_newer.Count + _older.Count == 0) return;
            foreach (var key in keys)
            {
                _newer.Remove(key);
                _older.Remove(key);
            }
        }
    }

    /// <summary>The rows in two parts, each in the order given: those of no suspect, and those of suspects.</summary>
    public Row[][] Divide(IReadOnlyList<Row> rows)
    {
        lock (_gate)
        {
            if (_newer.Count + _older.Count == 0) return [[.. rows]];
            return [[.. rows.Where(row => !IsKnown(row.Key))], [.. rows.Where(row => IsKnown(row.Key))]];
        }
    }

    /// <summary>
    /// To be asked of a key of which no row waits for its commit any more: completes where <paramref name="version"/> of it
    /// is in the table, which for most keys is known without asking.
    /// </summary>
    /// <exception cref="RowParkedException">It is parked.</exception>
    public Task CommittedAsync(string key, long version)
    {
        lock (_gate)
        {
            if (!_hasForgotten && !IsKnown(key)) return Task.CompletedTask;
        }

        return LookAsync(key, version);
    }

    private async Task LookAsync(string key, long version)
    {
        // The store has a time limit of its own.
        if (await parked.FindReasonAsync(key, version, CancellationToken.None) is { } reason) throw new RowParkedException(key, reason);
    }

    private bool IsKnown(string key) => _newer.Contains(key) || _older.Contains(key);
}
