namespace Actors.Cli.Load;

/// <summary>
/// When calls begin: so many per second, however long answers take, or each as soon as its caller was answered. Safe for
/// concurrent use.
/// </summary>
/// <param name="rate">Calls per second; null for as soon as callers are answered.</param>
/// <param name="time">The clock.</param>
internal sealed class Pace(int? rate, TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();

    // Counted up by Interlocked only: the calls that have their time.
    private long _scheduled;

    /// <summary>
    /// Waits for the time of the next call, and returns it: what a call waits for callers that are all busy is part of how
    /// long it takes.
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
