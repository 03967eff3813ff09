using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>
/// Chooses ports: one asked for must be free; a default one gives way to the next that is. What was chosen stays taken for
/// the life of the process, against another silo that looks in the moment before this one listens: Orleans listens in a
/// way that lets two processes share a port, and then neither of them works.
/// </summary>
internal sealed class Ports : IDisposable
{
    private const int Tries = 200;

    private static readonly string LockDirectory = Path.Combine(Path.GetTempPath(), $"actors-ports-{Environment.UserName}");

    private readonly List<FileStream> _taken = [];

    public int Take(string key, int? asked, int preferred, IPAddress address)
    {
        if (asked is { } port)
        {
            return TryTake(address, port)
                ? port
                : throw new ConfigurationException($"{key} is {port}, and that port is in use at {address}; choose a free one, or none to have one chosen.");
        }

        for (port = preferred; port < preferred + Tries; port++)
        {
            if (TryTake(address, port)) return port;
        }

        throw new ConfigurationException($"No port from {preferred} to {preferred + Tries - 1} is free at {address}; set {key}.");
    }

    public void Dispose()
    {
        foreach (var port in _taken) port.Dispose();
    }

    private bool TryTake(IPAddress address, int port)
    {
        try
        {
            Directory.CreateDirectory(LockDirectory);
            var taken = new FileStream(Path.Combine(LockDirectory, $"{port}"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (IsFree(address, port))
            {
                _taken.Add(taken);
                return true;
            }

            taken.Dispose();
            return false;
        }
        catch (IOException)
        {
            // Held by another silo.
            return false;
        }
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
