namespace Actors.RateLimiting;

/// <summary>
/// What is known here of the clock of Redis: that it now shows no less than <see cref="Earliest"/> and no more than
/// <see cref="Latest"/>. Each answer tells it to within the time that the call took; in between a monotonic clock is
/// followed, and the two drift apart a little. Wall clocks of this machine play no part. Times are microseconds.
/// </summary>
internal struct ServerClock
{
    // Two clocks that are kept in time differ in pace by no more than this (NTP slews by at most 500 ppm).
    private const double Drift = 0.0005;

    // Bounds of the server's time minus the monotonic clock's, as they were at _at.
    private long _low;
    private long _high;
    private long _at;

    /// <summary>True once there was an answer.</summary>
    public bool IsKnown { get; private set; }

    /// <summary>The server said <paramref name="time"/> in a call that lasted from <paramref name="sent"/> to <paramref name="received"/>.</summary>
    public void Observe(long time, long sent, long received)
    {
        var (low, high) = (time - received, time - sent);
        if (IsKnown)
        {
            var widened = Widened(received);

            // It was set forward, or it is another server's: what was known before is void. (Back it does not go, see GrantScripts.)
            if (low <= _high + widened && high >= _low - widened)
                (low, high) = (Math.Max(low, _low - widened), Math.Min(high, _high + widened));
        }

        (_low, _high, _at, IsKnown) = (low, high, received, true);
    }

    /// <summary>The server's clock shows at least this at the moment <paramref name="now"/> of the monotonic clock.</summary>
    public readonly long Earliest(long now) => now + _low - Widened(now);

    /// <summary>The server's clock shows at most this.</summary>
    public readonly long Latest(long now) => now + _high + Widened(now);

    private readonly long Widened(long now) => (long)(Math.Max(0, now - _at) * Drift);
}
