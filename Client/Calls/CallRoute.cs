using System.Net;
using Orleans.Serialization.TypeSystem;

namespace Actors.Calls;

/// <summary>
/// Chooses the silo whose call service takes a call. While the cluster has one silo, it is that one. With several, a message would reach
/// the silo of a grain no sooner than the call by itself, so Orleans makes each call.
/// </summary>
/// <param name="gateway">Returns the gateway of the only silo; null if there are several, or none is connected.</param>
/// <param name="cluster">Makes references.</param>
/// <param name="lost">Tells if a silo died.</param>
/// <param name="options">The limits of a call.</param>
/// <param name="serviceType">The number of the call service, if it is not the usual.</param>
internal sealed class CallRoute(
    Func<IPEndPoint?> gateway, IGrainFactory cluster, LostCalls lost, ActorsClientOptions options, int? serviceType = null)
{
    // As Orleans derives it from the interface.
    private static readonly int ServiceType = (int)StableHash.ComputeHash(RuntimeTypeNameFormatter.Format(typeof(ICallService)));

    private readonly Lazy<LateAnswers> _late = new(() => new(cluster.CreateObjectReference<ICallObserver>), LazyThreadSafetyMode.PublicationOnly);

    // Replaced as a whole when the gateways change. Two threads may both replace it: the calls of either end.
    private volatile Silo? _silo;

    /// <summary>The messages to the silo; null if Orleans must make the call.</summary>
    public CallMessages? Find()
    {
        if (gateway() is not { } only) return null;
        if (_silo is { } silo && silo.Gateway.Equals(only)) return silo.Messages;
        var id = SystemTargetGrainId.CreateGrainServiceGrainId(serviceType ?? ServiceType, null!, SiloAddress.New(only, 0));
        var found = new Silo(only, new(cluster.GetGrain<ICallService>(id), _late.Value, lost, options));
        _silo = found;
        return found.Messages;
    }

    private sealed record Silo(IPEndPoint Gateway, CallMessages Messages);
}
