using System.Net;
using Orleans.Serialization.TypeSystem;

namespace Actors.Calls;

/// <summary>
/// Finds the silo to which a call is sent in a message: the home of its grain. Each silo tells in its answers which one it is and which
/// others there are. What the client knows may be outdated; then the silo forwards the call.
/// </summary>
/// <param name="gateways">Returns the gateways; the same object until they change.</param>
/// <param name="isLive">Whether a gateway may be addressed (<see cref="LiveGateways"/>).</param>
/// <param name="cluster">Makes references.</param>
/// <param name="lost">Tells if a silo died.</param>
/// <param name="options">The limits of a call.</param>
/// <param name="serviceType">The number of the call service, if it is not the usual.</param>
internal sealed class CallRoute(
    Func<IReadOnlyList<IPEndPoint>> gateways, Func<SiloAddress, bool> isLive, IGrainFactory cluster, LostCalls lost, ActorsClientOptions options,
    int? serviceType = null)
{
    // As Orleans derives it from the interface.
    private static readonly int ServiceType = (int)StableHash.ComputeHash(RuntimeTypeNameFormatter.Format(typeof(ICallService)));

    private readonly Lazy<LateAnswers> _late = new(() => new(cluster.CreateObjectReference<ICallObserver>), LazyThreadSafetyMode.PublicationOnly);

    // Held while a map is made from the one before it.
    private readonly Lock _gate = new();

    // Replaced as a whole under the lock, read by any thread.
    private volatile Map _map = new([], [], null);

    /// <summary>The number of silos that run users and limiters, as far as the client knows; at least 1.</summary>
    public int Silos => Math.Max(1, _map.Active.Length);

    /// <summary>The messages to the home of <paramref name="grain"/>; null if Orleans must make the call.</summary>
    public CallMessages? Find(GrainId grain)
    {
        var (map, current) = (_map, gateways());
        if (!ReferenceEquals(map.Gateways, current)) map = Use(current);
        if (map.HomeOf(grain) is { } home) return home;
        map.ProbeUnknown();
        return null;
    }

    private Map Use(IReadOnlyList<IPEndPoint> current)
    {
        lock (_gate)
        {
            var silos = current.Select(gateway => _map.Silos.Find(silo => silo.Gateway.Equals(gateway)) ?? Connect(gateway)).ToList();
            return _map = new(current, silos, _map.View);
        }
    }

    private Silo Connect(IPEndPoint gateway)
    {
        var address = SiloAddress.New(gateway, 0);
        var service = cluster.GetGrain<ICallService>(SystemTargetGrainId.CreateGrainServiceGrainId(serviceType ?? ServiceType, null!, address));
        return new(gateway, new(service, () => isLive(address), _late.Value, lost, options, Update));
    }

    private void Update(CallMessages silo, HomeSilos homes)
    {
        lock (_gate)
        {
            // Answers may overtake each other.
            if (silo.Homes is { } earlier && earlier.Self.Equals(homes.Self) && earlier.Membership > homes.Membership) return;
            silo.Homes = homes;
            _map = new(_map.Gateways, _map.Silos, Newer(_map.View, homes));
        }
    }

    // At the same version, a silo may not know yet what a new one runs. A silo that the older view lacks is proof enough against it: the
    // membership table may have been made anew.
    private static HomeSilos Newer(HomeSilos? view, HomeSilos other) =>
        view is null || !view.Active.Contains(other.Self) || other.Membership > view.Membership
        || (other.Membership == view.Membership && other.Active.Length >= view.Active.Length) ? other : view;

    private sealed record Silo(IPEndPoint Gateway, CallMessages Messages);

    /// <summary>What the client knows.</summary>
    private sealed class Map
    {
        // By the index of the active silo; null if its gateway is not known.
        private readonly CallMessages?[] _homes;

        public Map(IReadOnlyList<IPEndPoint> gateways, List<Silo> silos, HomeSilos? view)
        {
            (Gateways, Silos, View) = (gateways, silos, view);
            _homes = Array.ConvertAll(Active, home => silos.Find(silo => home.Equals(silo.Messages.Homes?.Self))?.Messages);
        }

        public IReadOnlyList<IPEndPoint> Gateways { get; }

        public List<Silo> Silos { get; }

        public HomeSilos? View { get; }

        public SiloAddress[] Active => View?.Active ?? [];

        public CallMessages? HomeOf(GrainId grain) => Active.Length == 0 ? null : _homes[HomeSilos.IndexOf(grain, Active)];

        /// <summary>Asks the gateways of which it is not known which silo they belong to.</summary>
        public void ProbeUnknown()
        {
            foreach (var silo in Silos)
            {
                if (!_homes.Contains(silo.Messages)) silo.Messages.Probe();
            }
        }
    }
}
