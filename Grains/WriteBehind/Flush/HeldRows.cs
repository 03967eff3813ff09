namespace Actors.WriteBehind;

/// <summary>
/// The rows of a lane that can be neither committed nor parked at present, and when they are retried. They are retried by
/// themselves, so that other rows do not wait for them.
/// </summary>
/// <remarks>
/// Has no lock of its own: accessed under the lock of its <see cref="LaneQueue"/> only. None of the rows is waiting or being
/// committed. Bounded by the ceiling on unflushed bytes.
/// </remarks>
internal sealed class HeldRows(WriteBehindCounters counters, TimeProvider clock)
{
    /// <summary>How many rows are retried at once; each may need statements of its own.</summary>
    private const int Batch = 100;

    /// <summary>After an attempt, other rows get the lane for this many times its duration.</summary>
    private const int Pause = 9;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, PendingRow> _byKey = [];

    // In retry order.
    private readonly Queue<PendingRow> _inOrder = new();
    private TimeSpan _retry = FirstRetry;
    private long _due;

    public int Count => _byKey.Count;

    /// <summary>The reason for one of the rows; null if there is none.</summary>
    public string? Reason => _inOrder.TryPeek(out var first) ? first.HeldFor : null;

    /// <summary>The timestamp of the oldest row; null if there is none.</summary>
    public long? Since => _byKey.Count > 0 ? _byKey.Values.Min(pending => pending.Since) : null;

    /// <summary>The time until the next attempt, negative if it is overdue; null if there is no row.</summary>
    public TimeSpan? UntilDue => _byKey.Count > 0 ? clock.GetElapsedTime(clock.GetTimestamp(), _due) : null;

    public bool IsDue => UntilDue <= TimeSpan.Zero;

    public PendingRow? Find(string key) => _byKey.TryGetValue(key, out var pending) ? pending : null;

    /// <summary>Holds a row that was just tried.</summary>
    public void Add(PendingRow pending, string reason)
    {
        if (_byKey.Count == 0) (_retry, _due) = (FirstRetry, After(FirstRetry));
        pending.HeldFor = reason;
        _byKey[pending.Row.Key] = pending;
        _inOrder.Enqueue(pending);
        counters.Held(reason);
    }

    /// <summary>Moves the next rows into <paramref name="batch"/>, until it has <paramref name="upTo"/> or enough for one attempt.</summary>
    public void Take(List<PendingRow> batch, int upTo)
    {
        while (batch.Count < Math.Min(upTo, Batch) && _inOrder.TryDequeue(out var pending))
        {
            _byKey.Remove(pending.Row.Key);
            batch.Add(pending);
        }
    }

    /// <summary>
    /// Chooses the time of the next attempt, after one that took <paramref name="took"/>. Most of the lane's time belongs to other
    /// rows, which must wait during an attempt, except while the lane drains.
    /// </summary>
    public void Reschedule(TimeSpan took, bool hasProgress, bool isDraining)
    {
        _retry = hasProgress ? FirstRetry : _retry * 2 < LastRetry ? _retry * 2 : LastRetry;
        var backoff = hasProgress ? TimeSpan.Zero : _retry * (0.5 + Random.Shared.NextDouble());
        var pause = isDraining ? TimeSpan.Zero : took * Pause < LastRetry ? took * Pause : LastRetry;
        _due = After(backoff > pause ? backoff : pause);
    }

    /// <summary>Makes the next attempt due at once.</summary>
    public void RetryNow() => _due = clock.GetTimestamp();

    private long After(TimeSpan span) => clock.GetTimestamp() + (long)(span.TotalSeconds * clock.TimestampFrequency);
}
