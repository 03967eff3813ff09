using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// Keys whose row the table refused, as far as this silo knows: it parked or held them, or read them as parked. Their rows are
/// committed apart from others, and callers that wait for them learn the outcome.
/// </summary>
/// <remarks>
/// Bounded: beyond 2 × <paramref name="generation"/> keys, the oldest are evicted. After an eviction any key may be a rejected
/// one, so it is looked up in the database.
/// </remarks>
internal sealed class RejectedKeyCache(IParkedRows parked, int generation = 50_000)
{
    private static readonly Task<CommitResult> Committed = Task.FromResult(new CommitResult(CommitOutcome.Committed));

    // Guards the fields below; held for a few look-ups, never over an await. Taken by the lane's loop, by callers that wait for
    // commits, and by reads.
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

    /// <summary>Removes keys whose rows the table accepted.</summary>
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

    /// <summary>Divides the rows into those of unsuspected keys and those of suspect keys; each part keeps its order.</summary>
    public Row[][] Divide(IReadOnlyList<Row> rows)
    {
        lock (_gate)
        {
            if (_newer.Count + _older.Count == 0) return [[.. rows]];
            return [[.. rows.Where(row => !IsKnown(row.Key))], [.. rows.Where(row => IsKnown(row.Key))]];
        }
    }

    /// <summary>
    /// Whether <paramref name="version"/> of <paramref name="key"/> is in the table or parked. For keys of which no row waits for
    /// its commit. For most keys this is known without a query.
    /// </summary>
    public Task<CommitResult> CommittedAsync(string key, long version)
    {
        lock (_gate)
        {
            if (!_hasForgotten && !IsKnown(key)) return Committed;
        }

        return LookAsync(key, version);
    }

    private async Task<CommitResult> LookAsync(string key, long version)
    {
        try
        {
            // The store applies its own timeout.
            var reason = await parked.FindReasonAsync(key, version, CancellationToken.None);
            return new(reason is null ? CommitOutcome.Committed : CommitOutcome.Parked, reason);
        }
        catch (StorageUnavailableException error)
        {
            return new(CommitOutcome.Unconfirmed, error.Message);
        }
    }

    private bool IsKnown(string key) => _newer.Contains(key) || _older.Contains(key);
}
