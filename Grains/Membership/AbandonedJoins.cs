namespace Actors.Membership;

/// <summary>
/// Finds silos that died while they joined, because their join takes longer than allowed. Orleans uses their start time, which
/// comes from another machine's clock; if its own clock is ahead, it takes a silo that has just started for abandoned. This
/// class measures how long this silo has seen them join.
/// </summary>
/// <param name="longest">The longest time a join may take.</param>
/// <param name="clock">The clock.</param>
internal sealed class AbandonedJoins(TimeSpan longest, TimeProvider clock)
{
    // When each silo was first seen joining. Used by one loop only. An entry is removed once its silo has joined or
    // disappeared.
    private readonly Dictionary<SiloAddress, long> _joining = [];

    /// <summary>Takes the silos in their current state. Returns those whose join was abandoned.</summary>
    public IReadOnlyList<SiloAddress> Look(IEnumerable<(SiloAddress Silo, SiloStatus Status)> silos)
    {
        var joining = silos.Where(silo => silo.Status is SiloStatus.Created or SiloStatus.Joining).Select(silo => silo.Silo).ToList();
        foreach (var silo in _joining.Keys.Except(joining).ToList()) _joining.Remove(silo);
        foreach (var silo in joining) _joining.TryAdd(silo, clock.GetTimestamp());
        return joining.FindAll(silo => clock.GetElapsedTime(_joining[silo]) >= longest);
    }
}
