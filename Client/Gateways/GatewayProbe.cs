using System.Net;
using System.Net.Sockets;

namespace Actors;

/// <summary>Tells gateways that accept connections from those of silos that are gone.</summary>
internal static class GatewayProbe
{
    // All are tried at once, so this is what one that swallows packets adds to a start.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>Those of the gateways that accept a connection now, in their order.</summary>
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
