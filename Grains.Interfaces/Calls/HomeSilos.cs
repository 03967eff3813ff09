namespace Actors;

/// <summary>The silos that run users and limiters; each of these grains has its home on one of them.</summary>
/// <param name="Version">A hash of the rest; never 0.</param>
/// <param name="Self">The silo that answers.</param>
/// <param name="Active">The active silos, as far as that silo knows.</param>
/// <param name="Membership">The version of the cluster's membership.</param>
[GenerateSerializer, Immutable, Alias("Actors.HomeSilos")]
internal sealed record HomeSilos(
    [property: Id(0)] long Version, [property: Id(1)] SiloAddress Self, [property: Id(2)] SiloAddress[] Active,
    [property: Id(3)] long Membership)
{
    /// <summary>
    /// The index of the home of <paramref name="grain"/> among <paramref name="silos"/>, of which there is at least one: the silo whose hash
    /// together with that of the grain is the highest. When a silo joins, it becomes the home of some grains; when it leaves, its grains
    /// get other homes. All others keep theirs.
    /// </summary>
    /// <remarks>
    /// Highest random weight: D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on
    /// Networking 6(1), 1998.
    /// </remarks>
    public static int IndexOf(GrainId grain, ReadOnlySpan<SiloAddress> silos)
    {
        if (silos.Length == 1) return 0;
        var hash = (ulong)grain.GetUniformHashCode() << 32;
        var (home, highest) = (0, 0UL);
        for (var i = 0; i < silos.Length; i++)
        {
            var weight = Mix(hash | (uint)silos[i].GetConsistentHashCode());
            if (weight >= highest) (home, highest) = (i, weight);
        }

        return home;
    }

    // The finalizer of SplitMix64: G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
