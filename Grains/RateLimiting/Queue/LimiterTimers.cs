namespace Actors.RateLimiting;

/// <summary>The timers of one grain that wake its limiters, at most one for each.</summary>
/// <remarks>Used only by the turns of the grain.</remarks>
internal sealed class LimiterTimers(IGrainBase grain)
{
    private readonly Dictionary<Limiter, IGrainTimer> _timers = [];

    /// <summary>Wakes a limiter after some time in a turn of the grain. Replaces an earlier request.</summary>
    public void WakeAfter(Limiter limiter, TimeSpan due)
    {
        if (_timers.TryGetValue(limiter, out var timer))
        {
            timer.Change(due, Timeout.InfiniteTimeSpan);
            return;
        }

        _timers[limiter] = grain.RegisterGrainTimer(
            static (limiter, _) =>
            {
                limiter.Wake();
                return Task.CompletedTask;
            },
            limiter,
            new() { DueTime = due, Period = Timeout.InfiniteTimeSpan, Interleave = true, KeepAlive = true });
    }

    public void Remove(Limiter limiter)
    {
        if (_timers.Remove(limiter, out var timer)) timer.Dispose();
    }
}
