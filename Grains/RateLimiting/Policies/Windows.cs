namespace Actors.RateLimiting;

/// <summary>The windows of a policy in microseconds, the unit of the log, and values derived from them.</summary>
internal sealed class Windows
{
    /// <summary>
    /// The number of log entries from which close grants are merged at the later moment. It bounds a log to this many entries,
    /// plus a thousand for each time the shortest window fits into the longest. Merging withholds permits for at most a
    /// thousandth of the shortest window.
    /// </summary>
    public const int DenseFrom = 10_000;

    private const int TicksPerWindow = 1000;

    private readonly long[] _durations;

    public Windows(RateLimitPolicy policy)
    {
        Policy = policy;
        _durations = Array.ConvertAll(policy.Windows, window => (long)window.Duration.TotalMicroseconds);
        Longest = _durations.Max();
        Tick = Math.Max(1, _durations.Min() / TicksPerWindow);
        SmallestLimit = policy.Windows.Min(window => window.Limit);
    }

    public RateLimitPolicy Policy { get; }

    public int Count => _durations.Length;

    /// <summary>How long a grant counts in any window.</summary>
    public long Longest { get; }

    /// <summary>Grants to a dense log within this time are merged.</summary>
    public long Tick { get; }

    /// <summary>The most permits that one call can be granted.</summary>
    public int SmallestLimit { get; }

    public int Limit(int window) => Policy.Windows[window].Limit;

    public long Duration(int window) => _durations[window];

    /// <summary>The permits left in a window at <paramref name="now"/>; negative if the limit was lowered meanwhile.</summary>
    public long Left(int window, GrantLog log, long now) => Limit(window) - log.GrantedAfter(now - _durations[window]);

    /// <summary>The permits left in all windows.</summary>
    public long Left(GrantLog log, long now)
    {
        var least = long.MaxValue;
        for (var i = 0; i < Count; i++) least = Math.Min(least, Left(i, log, now));
        return least;
    }

    /// <summary>
    /// When <paramref name="permits"/> fit into all windows if no more are granted, and the window that admits them last;
    /// <see cref="long.MinValue"/> if they fit at any time.
    /// </summary>
    public (long At, int Window) WhenFree(GrantLog log, int permits)
    {
        var (at, last) = (long.MinValue, 0);
        for (var i = 0; i < Count; i++)
        {
            var free = log.WhenAtMost(Limit(i) - permits, _durations[i]);
            if (free > at) (at, last) = (free, i);
        }

        return (at, last);
    }

    /// <summary>The window with the fewest permits left at <paramref name="now"/>.</summary>
    public int Tightest(GrantLog log, long now)
    {
        var (tightest, least) = (0, long.MaxValue);
        for (var i = 0; i < Count; i++)
        {
            if (Left(i, log, now) is var left && left < least) (tightest, least) = (i, left);
        }

        return tightest;
    }
}
