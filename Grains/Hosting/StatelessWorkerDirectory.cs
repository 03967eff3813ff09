using System.Diagnostics.CodeAnalysis;
using Orleans.GrainDirectory;
using Orleans.Metadata;
using Orleans.Runtime.GrainDirectory;

namespace Actors.Hosting;

/// <summary>
/// The directory of stateless workers. It looks up nothing, because each silo has its own workers. Orleans would nevertheless
/// ask the silo that owns the entry, and wait if that silo is dead or frozen. Then status requests would fail on all silos.
/// </summary>
internal sealed class StatelessWorkerDirectory : IGrainDirectoryResolver, IGrainDirectory
{
    private const string Placement = "StatelessWorkerPlacement";

    public bool TryResolveGrainDirectory(GrainType grainType, GrainProperties? properties, [NotNullWhen(true)] out IGrainDirectory? grainDirectory)
    {
        var isWorker = properties?.Properties.TryGetValue(WellKnownGrainTypeProperties.PlacementStrategy, out var strategy) is true
            && strategy == Placement;
        grainDirectory = isWorker ? this : null;
        return isWorker;
    }

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
