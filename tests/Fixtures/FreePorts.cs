using System.Net;
using System.Net.Sockets;

namespace Actors.Fixtures;

/// <summary>
/// Free ports on loopback, below the range for outgoing connections, so that a port stays free while its server is down.
/// </summary>
public static class FreePorts
{
    private const int First = 20_000;
    private const int Last = 32_000;

    private static readonly Lock Gate = new();
    private static readonly HashSet<int> Taken = [];

    /// <summary>An unused port, unique in this process.</summary>
    public static int Next()
    {
        for (var attempt = 0; attempt < 1_000; attempt++)
        {
            // At random, because other test processes search for ports at the same time.
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

    public static int[] Next(int count) => [.. Enumerable.Range(0, count).Select(_ => Next())];

    /// <summary>Returns a port for reuse.</summary>
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
