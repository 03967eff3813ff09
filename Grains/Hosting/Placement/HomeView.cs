using System.IO.Hashing;
using System.Runtime.InteropServices;
using Orleans.Metadata;

namespace Actors.Hosting;

/// <summary>The silos among which each user and limiter has its home, as this silo knows them.</summary>
internal sealed class HomeView(
    IClusterManifestProvider manifests, IClusterMembershipService members, ISiloStatusOracle statuses, ILocalSiloDetails local)
{
    // Replaced as a whole. Two threads may both do so; they get the same.
    private volatile View? _view;

    /// <summary>The silos now.</summary>
    public HomeSilos Current
    {
        get
        {
            // Orleans replaces the manifest when a silo joins or leaves.
            var manifest = manifests.Current;
            if (_view is not { } view || !ReferenceEquals(view.Manifest, manifest)) _view = view = new(manifest, See(manifest));
            return view.Silos;
        }
    }

    /// <summary>Whether there is no other silo, not even one that starts or stops.</summary>
    public bool IsAlone => members.CurrentSnapshot.Members.All(member =>
        member.Value.Status == SiloStatus.Dead || member.Key.Equals(local.SiloAddress));

    /// <summary>Whether this silo is about to stop.</summary>
    public bool IsStopping => statuses.CurrentStatus.IsTerminating();

    /// <summary>Whether <paramref name="grain"/> has its home on another silo.</summary>
    public bool IsElsewhere(GrainId grain)
    {
        var silos = Current;
        return silos.Active.Length > 0 && !silos.Active[HomeSilos.IndexOf(grain, silos.Active)].Equals(silos.Self);
    }

    private HomeSilos See(ClusterManifest manifest)
    {
        var active = manifest.Silos.Where(silo => silo.Value.Grains.ContainsKey(HomePlacement.User)).Select(silo => silo.Key).Order().ToArray();
        var membership = manifest.Version.Major;
        long[] all = [membership, local.SiloAddress.GetConsistentHashCode(), .. active.Select(silo => (long)silo.GetConsistentHashCode())];
        return new((long)(XxHash3.HashToUInt64(MemoryMarshal.AsBytes(all.AsSpan())) | 1), local.SiloAddress, active, membership);
    }

    private sealed record View(ClusterManifest Manifest, HomeSilos Silos);
}
