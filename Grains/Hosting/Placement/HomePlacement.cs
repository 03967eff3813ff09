using System.Diagnostics.CodeAnalysis;
using Orleans.Metadata;
using Orleans.Runtime.Placement;

namespace Actors.Hosting;

/// <summary>Places users and limiters on their home silo (<see cref="HomeSilos"/>).</summary>
internal sealed class HomePlacement : PlacementStrategy
{
    /// <summary>The grain type of users.</summary>
    public static readonly GrainType User = GrainType.Create("user");

    private static readonly GrainType RateLimiter = GrainType.Create("rate-limiter");
    private static readonly HomePlacement Instance = new();

    /// <summary>
    /// Assigns the strategy on this silo only. With an attribute it would be part of the cluster's manifest, and a silo of an older version
    /// would fail to place the grains.
    /// </summary>
    public sealed class Resolver : IPlacementStrategyResolver
    {
        public bool TryResolvePlacementStrategy(GrainType grainType, GrainProperties? properties, [MaybeNullWhen(false)] out PlacementStrategy result)
        {
            result = grainType == User || grainType == RateLimiter ? Instance : null;
            return result is not null;
        }
    }

    /// <summary>Chooses the silo.</summary>
    public sealed class Director : IPlacementDirector
    {
        public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
        {
            var silos = context.GetCompatibleSilos(target);
            return Task.FromResult(
                IPlacementDirector.GetPlacementHint(target.RequestContextData, silos) ?? silos[HomeSilos.IndexOf(target.GrainIdentity, silos)]);
        }
    }
}
