using Actors.Resilience;

namespace Actors.RateLimiting;

/// <summary>
/// Looks at the clock of Redis as the silo starts: a limiter that comes here in an outage can then go on with the times of the
/// silo it comes from.
/// </summary>
internal sealed class LimiterLifecycle(GrantLogs logs) : ILifecycleParticipant<ISiloLifecycle>
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
    }
}
