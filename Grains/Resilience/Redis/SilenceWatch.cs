namespace Actors.Resilience;

/// <summary>
/// Notices that calls wait and none is answered, which no result of a call can tell. Looked at again and again by one loop.
/// </summary>
internal sealed class SilenceWatch(TimeProvider clock, TimeSpan limit)
{
    private long _looked = clock.GetTimestamp();
    private long _quietSince;
    private long _answered = -1;

    /// <summary>True once <paramref name="waiting"/> calls have seen no answer for the limit.</summary>
    /// <param name="waiting">How many calls wait.</param>
    /// <param name="answered">How many have been answered so far, well or badly.</param>
    /// <param name="now">The time now.</param>
    public bool IsSilent(long waiting, long answered, long now)
    {
        // A process that did not run itself, or had no thread to spare, has heard nothing for reasons of its own.
        var wasAbsent = clock.GetElapsedTime(_looked, now) >= limit / 2;
        _looked = now;
        if (waiting <= 0 || answered != _answered || wasAbsent)
        {
            (_answered, _quietSince) = (answered, now);
            return false;
        }

        if (clock.GetElapsedTime(_quietSince, now) < limit) return false;
        _quietSince = now;
        return true;
    }
}
