namespace Actors.Redis;

/// <summary>
/// Counts successes and failures over a sliding window, in slices. Any thread may count: a success is one interlocked add to
/// the current slice. The circuit's lock, or the first thread to find the last slice over, begins a new one.
/// </summary>
/// <param name="duration">The length of the window, in units of the clock.</param>
internal sealed class FailureWindow(long duration)
{
    private const int Slices = 10;

    private readonly Lock _gate = new();
    private readonly long _width = Math.Max(1, duration / Slices);

    // Newest last, limited to the length of the window. Guarded by _gate; the newest is published for lock-free counting.
    private readonly Queue<Slice> _slices = new();
    private volatile Slice _now = new(long.MinValue);

    public void Success(long now)
    {
        var slice = _now;
        if (now >= slice.End) slice = Begin(now);
        Interlocked.Increment(ref slice.Successes);
    }

    public void Failure(long now)
    {
        var slice = _now;
        if (now >= slice.End) slice = Begin(now);
        Interlocked.Increment(ref slice.Failures);
    }

    /// <summary>All calls, and the failures among them, in the window that ends now.</summary>
    public (long Calls, long Failures) Count(long now)
    {
        lock (_gate)
        {
            Forget(now);
            var (calls, failures) = (0L, 0L);
            foreach (var slice in _slices)
            {
                var failed = Volatile.Read(ref slice.Failures);
                failures += failed;
                calls += failed + Volatile.Read(ref slice.Successes);
            }

            return (calls, failures);
        }
    }

    private Slice Begin(long now)
    {
        lock (_gate)
        {
            if (now < _now.End) return _now;
            Forget(now);
            var slice = new Slice(now + _width);
            _slices.Enqueue(slice);
            _now = slice;
            return slice;
        }
    }

    private void Forget(long now)
    {
        while (_slices.TryPeek(out var oldest) && oldest.End <= now - (_width * (Slices - 1))) _slices.Dequeue();
    }

    private sealed class Slice(long end)
    {
        public long Successes;
        public long Failures;

        public long End { get; } = end;
    }
}
