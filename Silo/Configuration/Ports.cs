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

    private readonly List<FileStream> _locks = [];
    private readonly Dictionary<int, string> _taken = [];

    /// <summary>Takes a port.</summary>
    /// <param name="key">The setting of the port.</param>
    /// <param name="asked">The port that it names, if it does.</param>
    /// <param name="preferred">Where the search for a free one begins.</param>
    /// <param name="address">The address to listen at.</param>
    /// <param name="addressKey">The setting of the address.</param>
    /// <exception cref="ConfigurationException">The port cannot be used.</exception>
    public int Take(string key, int? asked, int preferred, IPAddress address, string addressKey)
    {
        if (asked is { } port)
        {
            if (_taken.TryGetValue(port, out var other)) throw new ConfigurationException($"{key} is {port}, and so is {other}; choose another port.");
            return Try(key, port, address, addressKey) ? port : throw new ConfigurationException(
                $"{key} is {port}, and that port is in use at {address}; choose a free one, or none to have one chosen.");
        }

        for (port = preferred; port < preferred + Tries; port++)
        {
            if (Try(key, port, address, addressKey)) return port;
        }

        throw new ConfigurationException($"No port from {preferred} to {preferred + Tries - 1} is free at {address}; set {key}.");
    }

    public void Dispose()
    {
        foreach (var port in _locks) port.Dispose();
    }

    /// <summary>False if the port is in use.</summary>
    private bool Try(string key, int port, IPAddress address, string addressKey)
    {
        // Looked at first, so that an address that cannot be used is not mistaken for a port in use.
        if (_taken.ContainsKey(port) || !IsFree(key, port, address, addressKey) || !TryLock(port, out var held)) return false;
        if (held is not null) _locks.Add(held);
        _taken.Add(port, key);
        return true;
    }

    /// <summary>
    /// False if another silo holds the port. Null if there is nowhere to write: then two silos that start at the same moment may
    /// choose the same port, and nothing else is lost.
    /// </summary>
    private static bool TryLock(int port, out FileStream? held)
    {
        held = null;
        var path = Path.Combine(LockDirectory, $"{port}");
        try
        {
            Directory.CreateDirectory(LockDirectory);
            held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException)
        {
            return !File.Exists(path);
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static bool IsFree(string key, int port, IPAddress address, string addressKey)
    {
        try
        {
            using var listener = new TcpListener(address, port) { ExclusiveAddressUse = true };
            listener.Start();
            return true;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return false;
        }
        catch (SocketException error)
        {
            throw new ConfigurationException(error.SocketErrorCode switch
            {
                SocketError.AddressNotAvailable =>
                    $"{addressKey} is {address}, which is no address of this machine; set it to one of its addresses, for instance 127.0.0.1.",
                SocketError.AddressFamilyNotSupported =>
                    $"{addressKey} is {address}, and this machine has no {(address.AddressFamily == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4")}; set it to another address.",
                SocketError.AccessDenied =>
                    $"{key} is {port}, and this user may not listen on that port; choose one from 1024 on, or give the process the right (CAP_NET_BIND_SERVICE).",
                _ => $"{key} is {port}, and nothing can listen there at {address} ({addressKey}): {error.Message}. Set both to others.",
            });
        }
    }
}
