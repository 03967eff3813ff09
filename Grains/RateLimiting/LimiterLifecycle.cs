using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.RateLimiting;

/// <summary>
/// Reads the Redis clock when the silo starts. A limiter that migrates here during an outage can then use the times of its
/// previous silo.
/// </summary>
internal sealed partial class LimiterLifecycle(RedisGrantLogStore logs, ILogger<LimiterLifecycle> logger) : ILifecycleParticipant<ISiloLifecycle>
{
    public void Participate(ISiloLifecycle lifecycle) =>
        lifecycle.Subscribe(nameof(LimiterLifecycle), ServiceLifecycleStage.ApplicationServices, LookAsync);

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            await logs.LookAtClockAsync().WaitAsync(cancellationToken);
        }
        catch (RedisUnavailableException)
        {
            // The first answer of Redis sets the clock.
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            // For example, TIME may not be permitted. The silo starts anyway; limiters without Redis use a guess.
            LogNotTold(logger, error.Message);
        }
    }

    [LoggerMessage(EventId = 1802, Level = LogLevel.Warning, Message = "Could not read the Redis clock for the limiters: {Reason}")]
    private static partial void LogNotTold(ILogger logger, string reason);
}
