namespace Actors;

/// <summary>
/// Limits one client approximately in this process. Each window counts the permits of its current period plus the covered share of
/// the previous one, so the memory does not depend on the limit.
/// </summary>
internal sealed class FallbackLimit(TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();

    // Guards the fields below; held for a few additions.
    private readonly Lock _gate = new();
    private (long Period, long Before, long Now)[] _counts = [];
    private TimeSpan _longest;
    private TimeSpan _lastGrant;

    /// <summary>True once none of its grants counts any more.</summary>
    public bool IsOver
    {
        get
        {
            lock (_gate) return time.GetElapsedTime(_began) - _lastGrant > 2 * _longest;
        }
    }

    /// <summary>Grants the permits in all windows, or in none.</summary>
    /// <param name="windows">The current windows.</param>
    /// <param name="permits">The number of permits.</param>
    /// <param name="retryAfter">For a denial: the maximum time until the full window has passed.</param>
    public bool TryGrant(RateLimitWindow[] windows, int permits, out TimeSpan retryAfter)
    {
        lock (_gate)
        {
            var now = time.GetElapsedTime(_began);
            retryAfter = TimeSpan.Zero;
            if (_counts.Length != windows.Length) _counts = new (long, long, long)[windows.Length];
            for (var i = 0; i < windows.Length; i++)
            {
                ref var count = ref _counts[i];
                var duration = windows[i].Duration;
                var period = now.Ticks / duration.Ticks;
                if (period != count.Period) count = (period, period == count.Period + 1 ? count.Now : 0, 0);
                var passed = now.Ticks % duration.Ticks / (double)duration.Ticks;
                if (count.Now + (count.Before * (1 - passed)) + permits <= windows[i].Limit) continue;
                var left = duration - TimeSpan.FromTicks(now.Ticks % duration.Ticks);
                if (left > retryAfter) retryAfter = left;
            }

            if (retryAfter > TimeSpan.Zero) return false;
            for (var i = 0; i < windows.Length; i++) _counts[i].Now += permits;
            (_longest, _lastGrant) = (windows.Max(window => window.Duration), now);
            return true;
        }
    }
}
