using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Handles the first contact of a starting silo with the membership table. An empty table may belong to a live cluster whose
/// Redis just lost its data. A table that cannot be reached will be available later.
/// </summary>
/// <param name="table">The table.</param>
/// <param name="grace">How long a live cluster gets to restore an empty table; zero if there can be none.</param>
/// <param name="clock">The clock.</param>
/// <param name="logger">The logger.</param>
internal sealed partial class MembershipArrival(
    RawMembershipTable table, TimeSpan grace, TimeProvider clock, ILogger<MembershipArrival> logger)
{
    /// <summary>Three times the time in which silos notice that the table is gone.</summary>
    public static readonly TimeSpan DefaultGrace = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfterAtMost = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    /// <summary>Waits until the table has silos in it, at most for the grace period.</summary>
    public async Task WaitForLivingClusterAsync(CancellationToken cancellationToken)
    {
        if (grace == TimeSpan.Zero || await HasSilosAsync()) return;
        LogWaiting(logger, grace);
        var start = clock.GetTimestamp();
        while (clock.GetElapsedTime(start) < grace)
        {
            await Task.Delay(PollEvery, clock, cancellationToken);
            if (await HasSilosAsync()) return;
        }

        async Task<bool> HasSilosAsync()
        {
            var hasSilos = false;
            await RetryUntilReachableAsync(async () => hasSilos = await table.ReadAsync(cancellationToken) is { Rows.Count: > 0 }, cancellationToken);
            return hasSilos;
        }
    }

    /// <summary>Repeats the work until Redis answers.</summary>
    public async Task RetryUntilReachableAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        var unreachableLog = new LogThrottle(LogEvery, clock);
        for (var pause = RetryAfter; ; pause = pause * 2 < RetryAfterAtMost ? pause * 2 : RetryAfterAtMost)
        {
            try
            {
                await work();
                return;
            }
            catch (Exception error) when (RedisFailures.IsAway(error) && !cancellationToken.IsCancellationRequested)
            {
                // The address may lead to another server by the next attempt.
                table.Suspect(error);
                if (unreachableLog.IsDue()) LogUnreachable(logger, RedisFailures.Reason(error));
            }

            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), clock, cancellationToken);
        }
    }

    [LoggerMessage(EventId = 1305, Level = LogLevel.Information, Message =
        "The membership table is empty. Waiting {Grace} for a live cluster to restore it, then forming a new one")]
    private static partial void LogWaiting(ILogger logger, TimeSpan grace);

    [LoggerMessage(EventId = 1306, Level = LogLevel.Warning, Message =
        "The membership table in Redis cannot be reached: {Reason}. The silo continues to join once it answers.")]
    private static partial void LogUnreachable(ILogger logger, string reason);
}
