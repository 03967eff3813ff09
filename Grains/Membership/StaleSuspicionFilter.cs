using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Keeps silos alive that were suspected while the membership table was unavailable. Orleans queues such votes and casts them
/// once the table is back, up to two minutes later, even if the silo has answered since. Because no silo could give signs of
/// life meanwhile, a single vote may count as a majority. So for a while after an outage, a vote of this silo counts only if
/// the accused silo still does not answer. If it really is gone, Orleans votes again after its next probe. The same applies
/// after a pause of this process, which missed the answers of healthy silos.
/// </summary>
/// <param name="answers">Returns whether a silo answers a call.</param>
/// <param name="clock">The clock.</param>
/// <param name="logger">The logger for refused votes.</param>
internal sealed partial class StaleSuspicionFilter(Func<SiloAddress, Task<bool>> answers, TimeProvider clock, ILogger<StaleSuspicionFilter> logger)
{
    // Orleans' backoff between two queued votes is at most a minute.
    private static readonly TimeSpan StaleFor = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    // When the table last failed or this process last paused; 0 for never. Read and written atomically by any thread.
    private long _failedAt;

    // Votes come by the dozen.
    private readonly LogThrottle _refutedLog = new(LogEvery, clock);

    /// <summary>Reports a failure to reach the table, or a pause of this process.</summary>
    public void MayBeStale() => Interlocked.Exchange(ref _failedAt, clock.GetTimestamp());

    /// <summary>True if a vote against <paramref name="silo"/> may be stale and the silo answers.</summary>
    public async Task<bool> IsRefutedAsync(SiloAddress silo)
    {
        var failedAt = Interlocked.Read(ref _failedAt);
        if (failedAt == 0 || clock.GetElapsedTime(failedAt) > StaleFor || !await answers(silo)) return false;
        if (_refutedLog.IsDue()) LogRefuted(logger, silo);
        return true;
    }

    [LoggerMessage(EventId = 1323, Level = LogLevel.Warning, Message =
        "Votes against silo {Silo} are dropped because it answers; they stem from a Redis outage or from a pause of this silo")]
    private static partial void LogRefuted(ILogger logger, SiloAddress silo);
}
