using System.Net;
using System.Net.Sockets;

namespace Actors.Fixtures;

/// <summary>
/// Free ports on loopback. They are taken from below the range the operating system gives to outgoing connections, so
/// that a port stays free while the server it was taken for is down.
/// </summary>
public static class FreePorts
{
    private const int First = 20_000;
    private const int Last = 32_000;

    private static readonly Lock Gate = new();
    private static readonly HashSet<int> Taken = [];

    /// <summary>A port nobody listens on, given to nobody else in this process.</summary>
    public static int Next()
    {
        for (var attempt = 0; attempt < 1_000; attempt++)
        {
            // At random, since other test processes look for ports at the same time.
            var port = Random.Shared.Next(First, Last);
            lock (Gate)
            {
                if (Taken.Contains(port) || !IsFree(port))
                    continue;
                Taken.Add(port);
                return port;
            }
        }

        throw new InvalidOperationException($"No free port found on loopback between {First} and {Last}.");
    }

    /// <summary>Several different free ports.</summary>
    public static int[] Next(int count) => [.. Enumerable.Range(0, count).Select(_ => Next())];

    /// <summary>Gives a port back, so that it may be handed out again.</summary>
    public static void Release(int port)
    {
        lock (Gate)
            Taken.Remove(port);
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
