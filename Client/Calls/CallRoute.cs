using System.Net;
using Orleans.Serialization.TypeSystem;

namespace Actors.Calls;

/// <summary>
/// Finds the silo to which a call is sent in a message: the home of its grain. Each silo tells in its answers which one it is and which
/// others there are. What the client knows may be outdated; then the silo forwards the call or returns it.
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
        var home = map.HomeOf(grain);
        if (home is not { IsAccepting: true }) map.ProbeUnknown();
        return home;
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
            // The gateway may have been dropped, and answers may overtake each other.
            var (map, view) = (_map, _map.View);
            if (!map.Silos.Exists(each => each.Messages == silo)) return;
            if (silo.Homes is { } earlier && earlier.Self.Equals(homes.Self) && earlier.Membership > homes.Membership) return;
            silo.Homes = homes;

            // A message for a gateway that has just been lost is answered by another silo; that one's own gateway answers again.
            Forget(each => homes.Self.Equals(each.Homes?.Self));

            // At the same version, a silo may not know yet what a new one runs.
            var isNewer = view is null || homes.Membership > view.Membership
                || (homes.Membership == view.Membership && homes.Active.Length >= view.Active.Length);
            if (!isNewer && homes.Membership < view!.Membership && !view.Active.Contains(homes.Self))
            {
                // The silo is about to stop, or the membership table was made anew: the others tell which.
                isNewer = true;
                Forget(_ => true);
            }

            _map = new(map.Gateways, map.Silos, isNewer ? homes : view);

            void Forget(Predicate<CallMessages> matches)
            {
                foreach (var each in map.Silos)
                {
                    if (each.Messages != silo && matches(each.Messages)) each.Messages.Homes = null;
                }
            }
        }
    }

    private sealed record Silo(IPEndPoint Gateway, CallMessages Messages);

    /// <summary>The gateways, the silos, and which silo has which gateway.</summary>
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
