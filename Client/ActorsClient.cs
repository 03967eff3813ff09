using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// The way into the cluster: typed accessors to its grains. Register it with
/// <see cref="ActorsClientHostingExtensions.AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>
/// and have it injected; it is connected once the host has started. Safe for concurrent use.
/// </summary>
/// <param name="cluster">The Orleans client, or any other source of grain references (in a silo, in a test).</param>
public sealed class ActorsClient(IGrainFactory cluster)
{
    // Made by the first limiter; of several made at once, one stays.
    private RateLimitCalls? _rateLimitCalls;

    /// <summary>The user with this id. No call is made: that the user exists is not known before one is.</summary>
    /// <exception cref="InvalidUserException">
    /// The id has not 1 to <see cref="UserLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IUserGrain User(string id)
    {
        UserLimits.ValidateId(id);
        return Grain<IUserGrain>("user", id);
    }

    /// <summary>The limiter of the client with this id. No call is made.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// The id has not 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IRateLimiterGrain RateLimiter(string clientId)
    {
        RateLimits.ValidateId(clientId);
        return Grain<IRateLimiterGrain>("rate-limiter", clientId);
    }

    /// <summary>The calls of all limiters in this process, which go to the cluster together.</summary>
    internal RateLimitCalls RateLimitCalls =>
        _rateLimitCalls ?? Interlocked.CompareExchange(ref _rateLimitCalls, new(RateLimiter, logger: Logger), null) ?? _rateLimitCalls;

    /// <summary>Where limiters say that the cluster does not answer.</summary>
    internal ILogger? Logger { get; init; }

    /// <summary>Whether the client is connected; null if it did not connect by itself (in a silo, in a test).</summary>
    internal ClusterConnection? Connection { get; init; }

    /// <summary>The way to Redis of one silo.</summary>
    /// <param name="silo">The silo's address, as <see cref="SiloReport.Silo"/> gives it.</param>
    /// <exception cref="SiloNotFoundException">The address is blank.</exception>
    public IRedisBreakerGrain RedisBreaker(string silo) => string.IsNullOrWhiteSpace(silo)
        ? throw new SiloNotFoundException("The address of the silo is blank; give one as the status of the cluster shows it, e.g. 127.0.0.1:11111@1234.")
        : Grain<IRedisBreakerGrain>("redis-breaker", silo);

    /// <summary>What the database refused and is parked beside it.</summary>
    public IWriteBehindGrain WriteBehind => Grain<IWriteBehindGrain>("write-behind", "write-behind");

    /// <summary>The state of the whole cluster.</summary>
    public IClusterGrain Cluster => Grain<IClusterGrain>("cluster", "cluster");

    // Orleans knows which grain implements an interface only once it is connected.
    private T Grain<T>(string type, string key)
        where T : IGrainWithStringKey =>
        Connection is { IsOpen: false } ? cluster.GetGrain<T>(GrainId.Create(type, key)) : cluster.GetGrain<T>(key);
}
