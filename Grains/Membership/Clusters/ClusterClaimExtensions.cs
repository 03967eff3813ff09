using Microsoft.Extensions.DependencyInjection;

namespace Actors.Membership;

/// <summary>Prevents two clusters from sharing a service id.</summary>
public static class ClusterClaimExtensions
{
    /// <summary>
    /// Makes the start fail (<see cref="ServiceInUseException"/>) while a cluster with another id is alive under the same
    /// service id. Call it after <c>AddActors</c>.
    /// </summary>
    public static ISiloBuilder UseClusterClaim(this ISiloBuilder silo)
    {
        silo.Services.AddSingleton<ClusterClaims>();
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<ClusterClaims>());
        return silo;
    }

    /// <summary>
    /// A function that returns why the silo stopped by itself: another cluster took over its service id. It returns null
    /// otherwise, and works after the host is disposed.
    /// </summary>
    public static Func<string?> WatchService(this IServiceProvider services)
    {
        var claims = services.GetRequiredService<ClusterClaims>();
        return () => claims.LostTo;
    }
}
