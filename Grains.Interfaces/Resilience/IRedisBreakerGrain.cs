namespace Actors;

/// <summary>
/// The circuit breaker between one silo and Redis. Key: the silo's address, as <see cref="SiloReport.Silo"/> gives it.
/// While it is open the silo makes no call to Redis; it goes on with what it has in memory and with the database.
/// </summary>
[Alias("Actors.IRedisBreakerGrain")]
public interface IRedisBreakerGrain : IGrainWithStringKey
{
    /// <summary>How it stands, and how it came to that.</summary>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Get")]
    Task<BreakerSnapshot> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Keeps the silo away from Redis until <see cref="CloseAsync"/>, whatever the health of Redis.</summary>
    /// <param name="reason">Why, for whoever looks later; at most 200 characters are kept.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Isolate")]
    Task IsolateAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>
    /// Ends an isolation, or a break before its time: calls go to Redis at once and without a ramp. It opens again should
    /// they fail.
    /// </summary>
    /// <exception cref="SiloNotFoundException">The key names no active silo.</exception>
    [Alias("Close")]
    Task CloseAsync(CancellationToken cancellationToken = default);
}
