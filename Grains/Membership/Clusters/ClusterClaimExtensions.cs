using Microsoft.Extensions.DependencyInjection;

namespace Actors.Membership;

/// <summary>Keeps two clusters from sharing a service id.</summary>
public static class ClusterClaimExtensions
{
    /// <summary>
    /// Refuses to start (<see cref="ServiceInUseException"/>) while a cluster with another id is alive under the same service
    /// id. To be called after <c>AddActors</c>.
    /// </summary>
    public static ISiloBuilder UseClusterClaim(this ISiloBuilder silo)
    {
        silo.Services.AddSingleton<ClusterClaims>();
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<ClusterClaims>());
        return silo;
    }

    /// <summary>
    /// What tells, also after the host is disposed, why the silo stopped by itself: another cluster had taken over its
    /// service id. Null if it did not.
    /// </summary>
    public static Func<string?> WatchService(this IServiceProvider services)
    {
        var claims = services.GetRequiredService<ClusterClaims>();
        return () => claims.LostTo;
    }
}
