using Orleans.Core.Internal;
using Orleans.Runtime.Placement;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Moves grains between silos, and isolates silos from Redis.</summary>
internal static class Moves
{
    /// <summary>The silo of a grain; null if it is not activated.</summary>
    public static async Task<SiloAddress?> SiloOfAsync(this TestCluster cluster, IAddressable grain) =>
        await cluster.Silos.Client.GetGrain<IManagementGrain>(0).GetActivationAddress(grain);

    /// <summary>Migrates a grain to another silo and returns once it is there.</summary>
    public static async Task MigrateAsync(this TestCluster cluster, IAddressable grain)
    {
        var from = await cluster.SiloOfAsync(grain);
        RequestContext.Set(IPlacementDirector.PlacementHintKey, cluster.Silos.Silos.First(silo => !silo.SiloAddress.Equals(from)).SiloAddress);
        try
        {
            await grain.Cast<IGrainManagementExtension>().MigrateOnIdle();
        }
        finally
        {
            RequestContext.Clear();
        }

        await Fixtures.Eventually.IsTrueAsync(async () => await cluster.SiloOfAsync(grain) is { } silo && !silo.Equals(from));
    }

    /// <summary>Isolates all silos from Redis, or reconnects them.</summary>
    public static async Task IsolateAsync(this TestCluster cluster, bool isIsolated)
    {
        foreach (var silo in cluster.Silos.Silos)
        {
            var breaker = cluster.Silos.Client.GetGrain<IRedisBreakerGrain>(silo.SiloAddress.ToParsableString());
            await (isIsolated ? breaker.IsolateAsync("a test") : breaker.CloseAsync());
        }
    }
}
