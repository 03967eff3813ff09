using System.Diagnostics;

namespace Actors.Calls;

/// <summary>
/// Finds the silo to which a call is sent in a message: the home of its grain. Orleans takes the messages to one call service to one
/// gateway while that works, and the silo there tells who it is when it answers. So the client opens call services until it has one on
/// each silo. What it knows may be outdated: then the silo forwards the call.
/// </summary>
/// <param name="isConnected">Whether the client is connected.</param>
/// <param name="cluster">Makes references.</param>
/// <param name="lost">Tells if a silo died.</param>
/// <param name="options">The limits of a call.</param>
/// <param name="type">The grain type of the call services, if it is not the usual.</param>
internal sealed class CallRoute(
    Func<bool> isConnected, IGrainFactory cluster, LostCalls lost, ActorsClientOptions options, string type = CallRoute.Type)
{
    private const string Type = "call-service";

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    // No two apps share a call service: a service runs on one thread at a time.
    private readonly string _app = Guid.NewGuid().ToString("N");
    private readonly Lazy<LateAnswers> _late = new(() => new(cluster.CreateObjectReference<ICallObserver>), LazyThreadSafetyMode.PublicationOnly);

    // Guards the fields below.
    private readonly Lock _gate = new();
    private int _opened;
    private long _exploreAt;
    private TimeSpan _pause = FirstPause;

    // Replaced as a whole under the lock, read by any thread.
    private volatile Map _map = new([], []);

    /// <summary>The number of silos that run users and limiters, as far as the client knows; at least 1.</summary>
    public int Silos => Math.Max(1, _map.Active.Length);

    /// <summary>The messages to the home of <paramref name="grain"/>; null if Orleans must make the call.</summary>
    public CallMessages? Find(GrainId grain)
    {
        if (_map.HomeOf(grain) is { } home) return home;
        if (isConnected()) Explore();
        return null;
    }

    /// <summary>
    /// Opens as many call services as there are silos, since Orleans takes new ones to one gateway after the other, and forgets those that
    /// found no silo of their own. Not too often.
    /// </summary>
    private void Explore()
    {
        List<CallMessages> opened;
        lock (_gate)
        {
            var now = Stopwatch.GetTimestamp();
            if (now < _exploreAt) return;
            _exploreAt = now + (long)(_pause.TotalSeconds * Stopwatch.Frequency);
            _pause = _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
            var kept = _map.Services.FindAll(_map.IsHome);
            opened = [.. Enumerable.Range(0, Silos).Select(_ => Open())];
            _map = new([.. kept, .. opened], _map.Active);
        }

        foreach (var service in opened) service.Ask();
    }

    // Under the lock.
    private CallMessages Open() =>
        new(cluster.GetGrain<ICallService>(GrainId.Create(type, $"{_app}/{_opened++}")), _late.Value, lost, options, Learn);

    private void Learn(HomeSilos homes)
    {
        lock (_gate)
        {
            var map = new Map(_map.Services, homes.Active);

            // Nothing to explore, or something new to.
            if (map.IsComplete || !homes.Active.SequenceEqual(_map.Active)) (_exploreAt, _pause) = (0, FirstPause);
            _map = map;
        }
    }

    /// <summary>What the client knows.</summary>
    private sealed class Map(List<CallMessages> services, SiloAddress[] active)
    {
        // By the index of the active silo; null if no call service is known to be there.
        private readonly CallMessages?[] _homes = Array.ConvertAll(active, home => services.Find(service => home.Equals(service.Homes?.Self)));

        public List<CallMessages> Services => services;

        public SiloAddress[] Active => active;

        public bool IsComplete => !_homes.Contains(null);

        public bool IsHome(CallMessages service) => _homes.Contains(service);

        public CallMessages? HomeOf(GrainId grain) => active.Length == 0 ? null : _homes[HomeSilos.IndexOf(grain, active)];
    }
}
