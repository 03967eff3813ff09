using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// How a silo comes to the membership table when it starts: an empty one may be that of a living cluster whose Redis has
/// just lost its data, and one that cannot be reached will be there in a while.
/// </summary>
/// <param name="table">The table.</param>
/// <param name="grace">How long a living cluster is given to restore an empty table; zero where there can be none.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Where it says what it waits for.</param>
internal sealed partial class MembershipArrival(
    RawMembershipTable table, TimeSpan grace, TimeProvider clock, ILogger<MembershipArrival> logger)
{
    /// <summary>Three times what silos take to notice that the table is gone.</summary>
    public static readonly TimeSpan DefaultGrace = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfterAtMost = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(10);

    /// <summary>Returns at once where the table has silos in it, else once it has, or after the time of grace.</summary>
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
            await PersistAsync(async () => hasSilos = await table.ReadAsync(cancellationToken) is { Rows.Count: > 0 }, cancellationToken);
            return hasSilos;
        }
    }

    /// <summary>Does it again and again until Redis answers.</summary>
    public async Task PersistAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        var said = 0L;
        for (var pause = RetryAfter; ; pause = pause * 2 < RetryAfterAtMost ? pause * 2 : RetryAfterAtMost)
        {
            try
            {
                await work();
                return;
            }
            catch (Exception error) when (RedisFailures.IsAway(error) && !cancellationToken.IsCancellationRequested)
            {
                // It may lead to another server by the next attempt.
                table.Suspect(error);
                if (said == 0 || clock.GetElapsedTime(said) >= SayEvery)
                {
                    said = clock.GetTimestamp();
                    LogUnreachable(logger, RedisFailures.Reason(error));
                }
            }

            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), clock, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The membership table is empty. Waiting {Grace} for a living cluster to restore it, then forming a new one")]
    private static partial void LogWaiting(ILogger logger, TimeSpan grace);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The membership table in Redis cannot be reached: {Reason}. The silo goes on joining as soon as it answers.")]
    private static partial void LogUnreachable(ILogger logger, string reason);
}
