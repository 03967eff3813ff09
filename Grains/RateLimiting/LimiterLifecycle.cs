using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.RateLimiting;

/// <summary>
/// Looks at the clock of Redis as the silo starts: a limiter that comes here in an outage can then go on with the times of the
/// silo it comes from.
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
            // The first answer tells it.
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            // For instance TIME is not permitted. No reason not to start: limiters without Redis fall back.
            LogNotTold(logger, error.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis does not tell its time to the limiters: {Reason}")]
    private static partial void LogNotTold(ILogger logger, string reason);
}
