using Orleans.Core.Internal;
using Orleans.Runtime.Placement;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Moves grains between silos, and cuts silos off from Redis by hand.</summary>
internal static class Moves
{
    /// <summary>The silo a grain is on; null while it is on none.</summary>
    public static async Task<SiloAddress?> SiloOfAsync(this TestCluster cluster, IAddressable grain) =>
        await cluster.Silos.Client.GetGrain<IManagementGrain>(0).GetActivationAddress(grain);

    /// <summary>Has a grain go to another silo, and returns once it is there.</summary>
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

    /// <summary>Cuts all silos off from Redis, or connects them again.</summary>
    public static async Task IsolateAsync(this TestCluster cluster, bool isIsolated)
    {
        foreach (var silo in cluster.Silos.Silos)
        {
            var breaker = cluster.Silos.Client.GetGrain<IRedisBreakerGrain>(silo.SiloAddress.ToParsableString());
            await (isIsolated ? breaker.IsolateAsync("a test") : breaker.CloseAsync());
        }
    }
}
