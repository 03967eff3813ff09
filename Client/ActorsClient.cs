using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// The entry point to the cluster: typed accessors to its grains. Register it with
/// <see cref="ActorsClientHostingExtensions.AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>
/// and inject it; it is connected once the host has started. Safe for concurrent use.
/// </summary>
/// <param name="cluster">The Orleans client, or any other source of grain references (in a silo, in a test).</param>
public sealed class ActorsClient(IGrainFactory cluster)
{
    private readonly GrainReferences<IUserGrain> _users = new(cluster, "user");
    private readonly GrainReferences<IRateLimiterGrain> _limiters = new(cluster, "rate-limiter");

    // Created on first use; if several threads create one, the first is kept.
    private RateLimitCalls? _rateLimitCalls;

    /// <summary>Returns the user with this id. Makes no call, so the user may not exist.</summary>
    /// <exception cref="InvalidUserException">
    /// The id is not 1 to <see cref="UserLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IUserGrain User(string id)
    {
        UserLimits.ValidateId(id);
        return _users.Get(id, IsConnected);
    }

    /// <summary>Returns the limiter of the client with this id. Makes no call.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// The id is not 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IRateLimiterGrain RateLimiter(string clientId)
    {
        RateLimits.ValidateId(clientId);
        return _limiters.Get(clientId, IsConnected);
    }

    /// <summary>Coalesces the calls of all limiters in this process.</summary>
    internal RateLimitCalls RateLimitCalls =>
        _rateLimitCalls ?? Interlocked.CompareExchange(ref _rateLimitCalls, new(RateLimiter, logger: Logger), null) ?? _rateLimitCalls;

    /// <summary>Logs when the cluster does not answer limiters.</summary>
    internal ILogger? Logger { get; init; }

    /// <summary>The state of the connection; null if this client does not connect by itself (in a silo, in a test).</summary>
    internal ClusterConnection? Connection { get; init; }

    /// <summary>Returns the circuit breaker of one silo. Makes no call.</summary>
    /// <param name="silo">The silo's address, as in <see cref="SiloReport.Silo"/>.</param>
    /// <exception cref="SiloNotFoundException">The address is blank.</exception>
    public IRedisBreakerGrain RedisBreaker(string silo) => string.IsNullOrWhiteSpace(silo)
        ? throw new SiloNotFoundException("The address of the silo is blank; use one from the status of the cluster, e.g. 127.0.0.1:11111@1234.")
        : Grain<IRedisBreakerGrain>("redis-breaker", silo);

    /// <summary>The rows that the database refused and that are parked.</summary>
    public IWriteBehindGrain WriteBehind => Grain<IWriteBehindGrain>("write-behind", "write-behind");

    /// <summary>The state of the whole cluster.</summary>
    public IClusterGrain Cluster => Grain<IClusterGrain>("cluster", "cluster");

    // Orleans maps interfaces to grain types only once it is connected.
    private T Grain<T>(string type, string key)
        where T : IGrainWithStringKey =>
        IsConnected ? cluster.GetGrain<T>(key) : cluster.GetGrain<T>(GrainId.Create(type, key));

    private bool IsConnected => Connection is not { IsOpen: false };
}
