namespace Actors.RateLimiting;

/// <summary>
/// Bounds of the Redis clock: it now shows at least <see cref="Earliest"/> and at most <see cref="Latest"/>. Each response sets
/// them to within the duration of the call. Between responses they follow a monotonic clock and widen by its drift. The wall
/// clock of this machine is not used. Times are microseconds.
/// </summary>
internal struct ServerClock
{
    // Two synchronized clocks differ in rate by no more than this (NTP slews by at most 500 ppm).
    private const double Drift = 0.0005;

    // Bounds of the server's time minus the monotonic time, as they were at _at.
    private long _low;
    private long _high;
    private long _at;

    /// <summary>True after the first response.</summary>
    public bool IsKnown { get; private set; }

    /// <summary>The server said <paramref name="time"/> in a call that lasted from <paramref name="sent"/> to <paramref name="received"/>.</summary>
    public void Observe(long time, long sent, long received)
    {
        // The server read its clock at some moment of the call, and has run on by its own rate since.
        var (low, high) = (time - received, time - sent + Drifted(received - sent));
        if (IsKnown)
        {
            var widened = Widened(received);

            // Otherwise the clock was set forward or belongs to another server, so the earlier bounds are void. (It never goes
            // back, see GrantScripts.)
            if (low <= _high + widened && high >= _low - widened)
                (low, high) = (Math.Max(low, _low - widened), Math.Min(high, _high + widened));
        }

        (_low, _high, _at, IsKnown) = (low, high, received, true);
    }

    /// <summary>The earliest time that the server's clock may show at <paramref name="now"/> on the monotonic clock.</summary>
    public readonly long Earliest(long now) => now + _low - Widened(now);

    /// <summary>The latest time that the server's clock may show at <paramref name="now"/>.</summary>
    public readonly long Latest(long now) => now + _high + Widened(now);

    private readonly long Widened(long now) => Drifted(Math.Max(0, now - _at));

    private static long Drifted(long elapsed) => (long)(elapsed * Drift);
}
