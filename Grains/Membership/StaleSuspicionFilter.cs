using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Keeps silos alive that were suspected while the membership table was away. Orleans queues such votes and casts them when
/// the table is back, up to a minute or two later, whether or not the silo has answered since; and as nobody could give signs of
/// life meanwhile, a single vote may count as a majority. So for a while after an outage a vote of this silo counts only
/// if the one it is against still does not answer. Where it really is gone, Orleans votes again with its next probe. The same
/// holds for a while after this process itself did not run: it has missed the answers of silos that are well.
/// </summary>
/// <param name="answers">Whether a silo answers a call.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Where it says what it refused.</param>
internal sealed partial class StaleSuspicionFilter(Func<SiloAddress, Task<bool>> answers, TimeProvider clock, ILogger<StaleSuspicionFilter> logger)
{
    // Orleans' back-off between two queued votes is a minute at most.
    private static readonly TimeSpan StaleFor = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(10);

    // When the table last failed or this process last paused, 0 for never; a single field, read and written whole by any thread.
    private long _failedAt;

    // When a dropped vote was last logged, 0 for never; they come by the dozen. By any thread; at worst one is logged twice.
    private long _saidAt;

    /// <summary>To be told of every failure to reach the table, and when this process has not run for a while.</summary>
    public void MayBeStale() => Interlocked.Exchange(ref _failedAt, clock.GetTimestamp());

    /// <summary>True where a vote against <paramref name="silo"/> may be stale, and the silo answers.</summary>
    public async Task<bool> IsRefutedAsync(SiloAddress silo)
    {
        var failedAt = Interlocked.Read(ref _failedAt);
        if (failedAt == 0 || clock.GetElapsedTime(failedAt) > StaleFor || !await answers(silo)) return false;
        var saidAt = Interlocked.Read(ref _saidAt);
        if (saidAt == 0 || clock.GetElapsedTime(saidAt) >= SayEvery)
        {
            Interlocked.Exchange(ref _saidAt, clock.GetTimestamp());
            LogRefuted(logger, silo);
        }

        return true;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Votes against silo {Silo} from the time when Redis was away, or this silo did not run, are dropped: the silo answers")]
    private static partial void LogRefuted(ILogger logger, SiloAddress silo);
}
