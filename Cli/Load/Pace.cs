namespace Actors.Cli.Load;

/// <summary>
/// Schedules the starts of calls: at a fixed rate, independent of response times, or as soon as callers are free. Thread-safe.
/// </summary>
/// <param name="rate">Calls per second; null to call as soon as callers are free.</param>
/// <param name="time">The clock.</param>
internal sealed class Pace(int? rate, TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();

    // The number of scheduled calls; changed by Interlocked only.
    private long _scheduled;

    /// <summary>
    /// Waits for the scheduled time of the next call and returns it. The wait for a free caller counts as part of the call's
    /// latency.
    /// </summary>
    public async Task<long> NextAsync(CancellationToken stop)
    {
        if (rate is not { } perSecond) return time.GetTimestamp();
        var due = _began + (long)((Interlocked.Increment(ref _scheduled) - 1) * (double)time.TimestampFrequency / perSecond);
        var left = time.GetElapsedTime(time.GetTimestamp(), due);
        if (left > TimeSpan.Zero)
            await Task.Delay(left, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return due;
    }
}
