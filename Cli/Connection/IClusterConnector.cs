using Microsoft.Extensions.Configuration;

namespace Actors.Cli.Connection;

/// <summary>Which cluster to connect to, as the command line and the environment have it.</summary>
/// <param name="Redis">The value of --redis, if given.</param>
/// <param name="Gateways">The values of --gateway.</param>
/// <param name="Configuration">The environment, in which ConnectionStrings:redis may be.</param>
/// <param name="Directory">Where to begin looking for the embedded silo.</param>
/// <param name="IsVerbose">Show what the connection warns of.</param>
internal sealed record ClusterTarget(string? Redis, string[] Gateways, IConfiguration Configuration, string Directory, bool IsVerbose);

/// <summary>Connects to clusters; the seam at which tests put one of their own.</summary>
internal interface IClusterConnector
{
    Task<ICluster> ConnectAsync(ClusterTarget target, CancellationToken cancellationToken);
}

/// <summary>A cluster one is connected to.</summary>
internal interface ICluster : IAsyncDisposable
{
    /// <exception cref="InvalidUserException">The id is outside of <see cref="UserLimits"/>.</exception>
    IUserGrain User(string id);

    /// <exception cref="InvalidRateLimitException">The id is outside of <see cref="RateLimits"/>.</exception>
    IRateLimiterGrain Limiter(string client);

    IClusterGrain Status { get; }

    /// <summary>What the database refused and is parked beside it.</summary>
    IWriteBehindGrain WriteBehind { get; }

    /// <summary>The way to Redis of one silo, which is named as its report names it.</summary>
    IRedisBreakerGrain Breaker(string silo);
}
