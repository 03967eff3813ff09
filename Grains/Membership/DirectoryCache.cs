using System.Diagnostics.CodeAnalysis;
using Orleans.Configuration;
using Orleans.Runtime.GrainDirectory;

namespace Actors.Membership;

/// <summary>
/// The Orleans cache of grain locations, except for grains on leaving silos: for them the directory is asked each time. A
/// leaving silo releases its grains, but with cached locations others would keep calling it until it ends. A call that reaches
/// a silo in its last moments is lost: the caller gets neither an answer nor an error.
/// </summary>
/// <param name="cache">The cache of Orleans.</param>
/// <param name="membership">The status of the silos.</param>
internal sealed class DirectoryCache(IGrainDirectoryCache cache, IClusterMembershipService membership) : IGrainDirectoryCache
{
    private static readonly HashSet<SiloAddress> None = [];

    // Immutable, replaced as a whole by any thread. If two threads race, they saw the same silos, or the next call replaces the
    // older value again.
    private volatile Leaving _leaving = new(MembershipVersion.MinValue, None);

    /// <inheritdoc/>
    public IEnumerable<(GrainAddress ActivationAddress, int Version)> KeyValues => cache.KeyValues;

    /// <summary>Creates the cache of a silo. Its size is that of <see cref="GrainDirectoryOptions"/>.</summary>
    public static DirectoryCache Create(IServiceProvider services, int size, IClusterMembershipService membership)
    {
        var options = new GrainDirectoryOptions { CachingStrategy = GrainDirectoryOptions.CachingStrategyType.LRU, CacheSize = size };
        return new(GrainDirectoryCacheFactory.CreateGrainDirectoryCache(services, options), membership);
    }

    /// <inheritdoc/>
    public bool LookUp(GrainId key, [NotNullWhen(true)] out GrainAddress? result, out int version)
    {
        if (!cache.LookUp(key, out result, out version)) return false;
        if (result.SiloAddress is { } silo && LeavingNow().Contains(silo)) result = null;
        return result is not null;
    }

    /// <inheritdoc/>
    public void AddOrUpdate(GrainAddress value, int version) => cache.AddOrUpdate(value, version);

    /// <inheritdoc/>
    public bool Remove(GrainId key) => cache.Remove(key);

    /// <inheritdoc/>
    public bool Remove(GrainAddress key) => cache.Remove(key);

    /// <inheritdoc/>
    public void Clear() => cache.Clear();

    private HashSet<SiloAddress> LeavingNow()
    {
        var now = membership.CurrentSnapshot;
        var leaving = _leaving;
        if (leaving.Version == now.Version) return leaving.Silos;
        var silos = now.Members.Values.Where(member => member.Status is SiloStatus.ShuttingDown or SiloStatus.Stopping)
            .Select(member => member.SiloAddress).ToHashSet();
        _leaving = new(now.Version, silos.Count > 0 ? silos : None);
        return silos;
    }

    private sealed record Leaving(MembershipVersion Version, HashSet<SiloAddress> Silos);
}
