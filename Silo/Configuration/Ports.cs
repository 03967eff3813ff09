using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>Chooses ports: one asked for must be free; a default one gives way to the next that is.</summary>
internal static class Ports
{
    private const int Tries = 200;

    public static int Choose(string key, int? asked, int preferred, IPAddress address)
    {
        if (asked is { } port)
        {
            return IsFree(address, port)
                ? port
                : throw new ConfigurationException($"{key} is {port}, and that port is in use at {address}; choose a free one, or none to have one chosen.");
        }

        return Enumerable.Range(preferred, Tries).FirstOrDefault(candidate => IsFree(address, candidate)) is var free and not 0
            ? free
            : throw new ConfigurationException($"No port from {preferred} to {preferred + Tries - 1} is free at {address}; set {key}.");
    }

    private static bool IsFree(IPAddress address, int port)
    {
        try
        {
            using var listener = new TcpListener(address, port) { ExclusiveAddressUse = true };
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
