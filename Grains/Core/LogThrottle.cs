namespace Actors.Core;

/// <summary>Limits a log message to one per <paramref name="interval"/>. Safe for any thread: its timestamp is interlocked.</summary>
internal sealed class LogThrottle(TimeSpan interval, TimeProvider clock)
{
    // When the message was last logged; 0 for never.
    private long _last;

    /// <summary>True if the message is to be logged now. Of several threads at once, one gets true.</summary>
    public bool IsDue()
    {
        var (last, now) = (Volatile.Read(ref _last), Math.Max(clock.GetTimestamp(), 1));
        if (last != 0 && clock.GetElapsedTime(last, now) < interval) return false;
        return Interlocked.CompareExchange(ref _last, now, last) == last;
    }
}
