namespace Actors;

/// <summary>
/// The circuit breaker between one silo and Redis. Key: the silo's address, as in <see cref="SiloReport.Silo"/>. While the breaker
/// is open, the silo makes no calls to Redis and works with its memory and the database.
/// </summary>
[Alias("Actors.IRedisBreakerGrain")]
public interface IRedisBreakerGrain : IGrainWithStringKey
{
    /// <summary>Returns the breaker's state and its history.</summary>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Get")]
    Task<BreakerSnapshot> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Keeps the silo away from Redis until <see cref="CloseAsync"/>, regardless of the health of Redis.</summary>
    /// <param name="reason">The reason, for operators; at most 200 characters are kept.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Isolate")]
    Task IsolateAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>
    /// Ends an isolation, or a break early: calls go to Redis at once and without a ramp. The breaker opens again if they fail.
    /// </summary>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Close")]
    Task CloseAsync(CancellationToken cancellationToken = default);
}
