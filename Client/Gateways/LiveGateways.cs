using Orleans.Configuration;

namespace Actors;

/// <summary>
/// Tells which gateways Orleans' client uses at the moment. Only those may be addressed: it sends a message for any other to one that it
/// does use, and the silo there would connect to the addressed gateway as if it were a silo, which disturbs the two silos' own connection.
/// </summary>
internal static class LiveGateways
{
    private const string Type = "Orleans.Messaging.GatewayManager";
    private const string Method = "IsGatewayAvailable";

    /// <summary>
    /// Whether a gateway, with generation 0, is in use. Orleans has no public way to ask; null if its internals have changed.
    /// </summary>
    public static Func<SiloAddress, bool>? Of(IServiceProvider services)
    {
        var type = typeof(GatewayOptions).Assembly.GetType(Type);
        var method = type?.GetMethod(Method, [typeof(SiloAddress)]);
        return method is not null && services.GetService(type!) is { } gateways ? method.CreateDelegate<Func<SiloAddress, bool>>(gateways) : null;
    }
}
