using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Actors;

/// <summary>Adds checks of the cluster to the health checks of an app.</summary>
public static class ActorsHealthChecksExtensions
{
    // Shorter than the usual timeout of a probe, and longer than a retried call takes.
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Adds a check that a silo answers this app. It is also healthy while Redis or the database is unavailable, because the silos
    /// keep working. Requires
    /// <see cref="ActorsClientHostingExtensions.AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>.
    /// </summary>
    /// <param name="builder">The health checks of the app.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">The status if no silo answers. Default: <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags by which the app selects checks.</param>
    /// <param name="timeout">The maximum time for an answer. Default: 3 seconds.</param>
    public static IHealthChecksBuilder AddActorsClientCheck(
        this IHealthChecksBuilder builder, string name = "actors", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new(
            name, provider => new ActorsClientCheck(ClientOf(provider), timeout ?? DefaultTimeout), failureStatus, tags));
    }

    private static ActorsClient ClientOf(IServiceProvider services) => services.GetService<ActorsClient>()
        ?? throw new InvalidOperationException("AddActorsClientCheck needs the client of a cluster: call builder.AddActorsClient() as well.");
}
