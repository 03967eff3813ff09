using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>
/// Chooses ports. A configured port must be free; a default port is replaced by the next free one. A lock reserves the chosen
/// port for the life of the process, so that another silo cannot choose it before this one listens. Orleans listens in a mode
/// that lets two processes share a port, and then neither works.
/// </summary>
internal sealed class Ports : IDisposable
{
    private const int Tries = 200;

    private static readonly string LockDirectory = Path.Combine(Path.GetTempPath(), $"actors-ports-{Environment.UserName}");

    private readonly List<FileStream> _locks = [];
    private readonly Dictionary<int, string> _taken = [];

    /// <summary>Takes a port.</summary>
    /// <param name="key">The setting of the port.</param>
    /// <param name="asked">The configured port; null if none is configured.</param>
    /// <param name="preferred">The port at which the search for a free one begins.</param>
    /// <param name="address">The address to listen on.</param>
    /// <param name="addressKey">The setting of the address.</param>
    /// <exception cref="ConfigurationException">The port cannot be used.</exception>
    public int Take(string key, int? asked, int preferred, IPAddress address, string addressKey)
    {
        if (asked is { } port)
        {
            if (_taken.TryGetValue(port, out var other)) throw new ConfigurationException($"{key} and {other} are both {port}; choose another port.");
            return Try(key, port, address, addressKey) ? port : throw new ConfigurationException(
                $"{key} is {port}, which is in use on {address}; set a free port, or remove the setting.");
        }

        for (port = preferred; port < preferred + Tries; port++)
        {
            if (Try(key, port, address, addressKey)) return port;
        }

        throw new ConfigurationException($"No port from {preferred} to {preferred + Tries - 1} is free on {address}; set {key}.");
    }

    public void Dispose()
    {
        foreach (var port in _locks) port.Dispose();
    }

    /// <summary>False if the port is in use.</summary>
    private bool Try(string key, int port, IPAddress address, string addressKey)
    {
        // Checks the port first, to report an unusable address as such and not as a port in use.
        if (_taken.ContainsKey(port) || !IsFree(key, port, address, addressKey) || !TryLock(port, out var held)) return false;
        if (held is not null) _locks.Add(held);
        _taken.Add(port, key);
        return true;
    }

    /// <summary>
    /// Returns false if another silo holds the port. The lock is null if the directory is not writable. Then two silos that
    /// start together may choose the same port, without other consequences.
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
                    $"{addressKey} is {address}, which is not an address of this machine; set it to one of its addresses, for example 127.0.0.1.",
                SocketError.AddressFamilyNotSupported =>
                    $"{addressKey} is {address}, but this machine has no "
                    + $"{(address.AddressFamily == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4")}; set it to another address.",
                SocketError.AccessDenied =>
                    $"{key} is {port}, but this user may not listen on that port; "
                    + "choose one from 1024, or give the process the right (CAP_NET_BIND_SERVICE).",
                _ => $"{key} is {port}, but listening on {address} ({addressKey}) failed: {error.Message}. Change one of them.",
            });
        }
    }
}
