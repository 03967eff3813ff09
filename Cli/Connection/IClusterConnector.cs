using Microsoft.Extensions.Configuration;

namespace Actors.Cli.Connection;

/// <summary>The cluster to connect to, from the command line and the environment.</summary>
/// <param name="Redis">The value of --redis, if given.</param>
/// <param name="Gateways">The values of --gateway.</param>
/// <param name="Configuration">The environment, which may contain ConnectionStrings:redis.</param>
/// <param name="Directory">The directory where the search for the embedded silo starts.</param>
/// <param name="IsVerbose">Show warnings of the connection.</param>
internal sealed record ClusterTarget(string? Redis, string[] Gateways, IConfiguration Configuration, string Directory, bool IsVerbose);

/// <summary>Connects to clusters; tests replace it.</summary>
internal interface IClusterConnector
{
    Task<ICluster> ConnectAsync(ClusterTarget target, CancellationToken cancellationToken);
}

/// <summary>A connection to a cluster.</summary>
internal interface ICluster : IDisposable
{
    /// <exception cref="InvalidUserException">The id violates <see cref="UserLimits"/>.</exception>
    IUserGrain User(string id);

    /// <exception cref="InvalidRateLimitException">The id violates <see cref="RateLimits"/>.</exception>
    IRateLimiterGrain Limiter(string client);

    IClusterGrain Status { get; }

    /// <summary>The rows that the database refused and that are parked.</summary>
    IWriteBehindGrain WriteBehind { get; }

    /// <summary>The breaker of one silo, addressed by the name in its report.</summary>
    IRedisBreakerGrain Breaker(string silo);
}
