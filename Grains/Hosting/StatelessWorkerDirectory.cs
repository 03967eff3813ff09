using System.Diagnostics.CodeAnalysis;
using Orleans.GrainDirectory;
using Orleans.Metadata;
using Orleans.Runtime.GrainDirectory;

namespace Actors.Hosting;

/// <summary>
/// The directory of stateless workers: there is nothing to look up, since each silo has its own. Orleans would all the same ask
/// the silo that owns the entry, and wait for it if it is dead or frozen; then nobody could ask the others how they are.
/// </summary>
internal sealed class StatelessWorkerDirectory : IGrainDirectoryResolver, IGrainDirectory
{
    private const string Placement = "StatelessWorkerPlacement";

    public bool TryResolveGrainDirectory(GrainType grainType, GrainProperties? properties, [NotNullWhen(true)] out IGrainDirectory? grainDirectory)
    {
        var isWorker = properties?.Properties.TryGetValue(WellKnownGrainTypeProperties.PlacementStrategy, out var strategy) is true && strategy == Placement;
        grainDirectory = isWorker ? this : null;
        return isWorker;
    }

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
