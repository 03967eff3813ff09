using System.Net;
using System.Net.Sockets;

namespace Actors;

/// <summary>Finds the gateways that accept connections.</summary>
internal static class GatewayProbe
{
    // All gateways are tried in parallel, so an unresponsive one adds at most this to a start.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>The gateways that accept a connection now, in their order.</summary>
    public static async Task<IReadOnlyList<IPEndPoint>> AcceptingAsync(IEnumerable<IPEndPoint> gateways)
    {
        using var limit = new CancellationTokenSource(Limit);
        var tried = await Task.WhenAll(gateways.Select(async gateway => (gateway, accepts: await AcceptsAsync(gateway, limit.Token))));
        return [.. tried.Where(each => each.accepts).Select(each => each.gateway)];
    }

    private static async Task<bool> AcceptsAsync(IPEndPoint gateway, CancellationToken limit)
    {
        try
        {
            using var socket = new Socket(gateway.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(gateway, limit);
            return true;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            return false;
        }
    }
}
