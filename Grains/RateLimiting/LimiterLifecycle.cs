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
        lifecycle.Subscribe(nameof(LimiterLifecycle), ServiceLifecycleStage.ApplicationServices, ReadClockAsync);

    private async Task ReadClockAsync(CancellationToken cancellationToken)
    {
        try
        {
            await logs.ReadClockAsync().WaitAsync(cancellationToken);
        }
        catch (RedisUnavailableException)
        {
            // The first answer of Redis sets the clock.
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            // For example, TIME may not be permitted. The silo starts anyway; limiters without Redis use a guess.
            LogClockNotRead(logger, error.Message);
        }
    }

    [LoggerMessage(EventId = 1802, Level = LogLevel.Warning, Message = "Could not read the Redis clock for the limiters: {Reason}")]
    private static partial void LogClockNotRead(ILogger logger, string reason);
}
