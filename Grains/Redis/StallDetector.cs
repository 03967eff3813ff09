namespace Actors.Redis;

/// <summary>Detects that calls wait and none is answered, which no single result can show. One loop calls it
/// repeatedly.</summary>
internal sealed class StallDetector(TimeProvider clock, TimeSpan limit)
{
    private const int FewestLooks = 4;

    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromMilliseconds(50);

    // If this process did not run or had no free thread, it could not receive answers. So of a long gap between two looks only
    // this much counts.
    private readonly TimeSpan _mostPerLook = limit / FewestLooks;

    private long _looked = clock.GetTimestamp();
    private TimeSpan _quiet;
    private bool _wasWaiting;
    private long _answered;

    /// <summary>How often to look, so that silence is noticed in time and a late look is recognised.</summary>
    public TimeSpan Interval { get; } = TimeSpan.FromTicks(
        Math.Clamp(limit.Ticks / (2 * FewestLooks), ShortestInterval.Ticks, LongestInterval.Ticks));

    /// <summary>True once <paramref name="waiting"/> calls have received no answer for the limit.</summary>
    /// <param name="waiting">The number of waiting calls.</param>
    /// <param name="answered">The number of calls that have ended so far, with success or failure.</param>
    /// <param name="now">The current time.</param>
    public bool IsSilent(long waiting, long answered, long now)
    {
        var gap = clock.GetElapsedTime(_looked, now);
        var isQuiet = _wasWaiting && waiting > 0 && answered == _answered;
        (_looked, _wasWaiting, _answered) = (now, waiting > 0, answered);
        _quiet = isQuiet ? _quiet + (gap < _mostPerLook ? gap : _mostPerLook) : TimeSpan.Zero;
        if (_quiet < limit) return false;
        _quiet = TimeSpan.Zero;
        return true;
    }
}
