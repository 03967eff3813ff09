using System.Diagnostics.CodeAnalysis;
using Orleans.Configuration;
using Orleans.Runtime.GrainDirectory;

namespace Actors.Membership;

/// <summary>
/// Where the grains of other silos are, as Orleans caches it, except for silos that are leaving: for their grains the
/// directory is asked each time. A leaving silo lets go of its grains, and others would go on calling them there until it
/// ends. What reaches a silo in its last moments is lost: the caller gets neither an answer nor an error.
/// </summary>
/// <param name="cache">The cache of Orleans.</param>
/// <param name="membership">The silos and how they are.</param>
internal sealed class DirectoryCache(IGrainDirectoryCache cache, IClusterMembershipService membership) : IGrainDirectoryCache
{
    private static readonly HashSet<SiloAddress> None = [];

    // Never changed, but replaced as a whole, by any thread: two that do so at once have seen the same silos, or one has seen
    // newer ones, and then the next call replaces it again.
    private volatile Leaving _leaving = new(MembershipVersion.MinValue, None);

    /// <inheritdoc/>
    public IEnumerable<(GrainAddress ActivationAddress, int Version)> KeyValues => cache.KeyValues;

    /// <summary>The cache for a silo; its size is that of <see cref="GrainDirectoryOptions"/>.</summary>
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
