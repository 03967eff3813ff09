namespace Actors.Membership;

/// <summary>The silos this silo knows, by their name in the journal.</summary>
internal sealed class KnownSilos(IClusterMembershipService membership)
{
    // Replaced as a whole by any thread that finds it outdated. Creating it twice is harmless.
    private volatile View? _view;

    /// <summary>The status of each silo. The same object until the membership changes.</summary>
    public IReadOnlyDictionary<string, SiloStatus> ByName
    {
        get
        {
            var snapshot = membership.CurrentSnapshot;
            if (_view is { } known && known.Version == snapshot.Version) return known.ByName;
            var view = new View(snapshot.Version, snapshot.Members.Values.ToDictionary(
                member => member.SiloAddress.ToParsableString(), member => member.Status));
            _view = view;
            return view.ByName;
        }
    }

    private sealed record View(MembershipVersion Version, IReadOnlyDictionary<string, SiloStatus> ByName);
}
