namespace Actors.Membership;

/// <summary>
/// Finds silos that died while they joined: they have been joining for longer than a join may take. Orleans goes by their
/// start time, which another machine's clock has told, and takes a silo that has just started for abandoned where its own
/// clock is ahead. This goes by how long this silo has seen them join.
/// </summary>
/// <param name="longest">How long a join may take.</param>
/// <param name="clock">The clock.</param>
internal sealed class AbandonedJoins(TimeSpan longest, TimeProvider clock)
{
    // Since when each has been seen to join. Touched by one loop only; an entry goes with its silo, or once it has joined.
    private readonly Dictionary<SiloAddress, long> _joining = [];

    /// <summary>Looks at the silos as they are now; returns those whose join was abandoned.</summary>
    public IReadOnlyList<SiloAddress> Look(IEnumerable<(SiloAddress Silo, SiloStatus Status)> silos)
    {
        var joining = silos.Where(silo => silo.Status is SiloStatus.Created or SiloStatus.Joining).Select(silo => silo.Silo).ToList();
        foreach (var silo in _joining.Keys.Except(joining).ToList()) _joining.Remove(silo);
        foreach (var silo in joining) _joining.TryAdd(silo, clock.GetTimestamp());
        return joining.FindAll(silo => clock.GetElapsedTime(_joining[silo]) >= longest);
    }
}
