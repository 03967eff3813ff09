namespace Actors.WriteBehind;

/// <summary>The rows of a lane that wait for a batch, one per key: by age, and those that a caller waits for.</summary>
/// <remarks>
/// Has no lock of its own: accessed under the lock of its <see cref="LaneQueue"/> only. Bounded by the ceiling on unflushed bytes.
/// </remarks>
internal sealed class WaitingRows
{
    /// <summary>How many already taken rows may stay in the queue by age before they are removed.</summary>
    private const int Spare = 64;

    private readonly Dictionary<string, PendingRow> _byKey = [];

    // Each may still contain rows that were taken from the other.
    private readonly Queue<PendingRow> _byAge = new();
    private readonly Queue<PendingRow> _urgent = new();

    public int Count => _byKey.Count;

    /// <summary>True if a caller may wait for one of the rows.</summary>
    public bool HasUrgent => _urgent.Count > 0;

    /// <summary>The oldest row; null if there is none.</summary>
    public PendingRow? Oldest
    {
        get
        {
            while (_byAge.TryPeek(out var oldest))
            {
                if (!oldest.IsTaken) return oldest;
                _byAge.Dequeue();
            }

            return null;
        }
    }

    public PendingRow? Find(string key) => _byKey.TryGetValue(key, out var pending) ? pending : null;

    /// <summary>Adds a row whose key does not wait yet.</summary>
    public void Add(PendingRow pending)
    {
        _byKey.Add(pending.Row.Key, pending);
        _byAge.Enqueue(pending);
    }

    /// <summary>Puts a row into the next batch; returns false if it is to be in it already.</summary>
    public bool Hasten(PendingRow pending)
    {
        if (pending.IsUrgent) return false;
        pending.IsUrgent = true;
        _urgent.Enqueue(pending);
        return true;
    }

    /// <summary>
    /// Moves rows into <paramref name="batch"/> until it has <paramref name="upTo"/>: those that callers wait for, and the others
    /// if the oldest is due. Then half of the batch is taken by age, so urgent rows never starve the others.
    /// </summary>
    public void Take(List<PendingRow> batch, int upTo, bool isOldestDue)
    {
        if (isOldestDue) Take(_byAge, batch, (upTo + 1) / 2);
        Take(_urgent, batch, upTo);
        if (isOldestDue) Take(_byAge, batch, upTo);
        ForgetTaken();
    }

    private void Take(Queue<PendingRow> from, List<PendingRow> batch, int upTo)
    {
        while (batch.Count < upTo && from.TryDequeue(out var pending))
        {
            if (pending.IsTaken) continue;
            pending.IsTaken = true;
            _byKey.Remove(pending.Row.Key);
            batch.Add(pending);
        }
    }

    // A row taken as urgent stays in the queue by age, possibly behind one that is not due for long. Such rows no longer count
    // against the ceiling and must not pile up. The amortized cost is one pass per doubling.
    private void ForgetTaken()
    {
        if (_byAge.Count <= Spare + (2 * _byKey.Count)) return;
        var waiting = _byAge.Where(pending => !pending.IsTaken).ToList();
        _byAge.Clear();
        foreach (var pending in waiting) _byAge.Enqueue(pending);
    }
}
