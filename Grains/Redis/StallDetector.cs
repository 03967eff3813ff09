namespace Actors.Redis;

/// <summary>
/// Notices that calls wait and none is answered, which no result of a call can tell. Looked at again and again by one loop.
/// </summary>
internal sealed class StallDetector(TimeProvider clock, TimeSpan limit)
{
    private const int FewestLooks = 4;

    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromMilliseconds(50);

    // A process that did not run itself, or had no thread to spare, has heard nothing for reasons of its own: of a long
    // gap between two looks only this much counts.
    private readonly TimeSpan _mostPerLook = limit / FewestLooks;

    private long _looked = clock.GetTimestamp();
    private TimeSpan _quiet;
    private bool _wasWaiting;
    private long _answered;

    /// <summary>How often to look, so that silence is noticed in time and told from a late look.</summary>
    public TimeSpan Interval { get; } = TimeSpan.FromTicks(
        Math.Clamp(limit.Ticks / (2 * FewestLooks), ShortestInterval.Ticks, LongestInterval.Ticks));

    /// <summary>True once <paramref name="waiting"/> calls have seen no answer for the limit.</summary>
    /// <param name="waiting">How many calls wait.</param>
    /// <param name="answered">How many have been answered so far, well or badly.</param>
    /// <param name="now">The time now.</param>
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
