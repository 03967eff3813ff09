using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Actors.Fixtures;

/// <summary>
/// A loopback proxy between one client and a server that can be cut, stalled, slowed and restored: the path to the server
/// fails, while the server and all other paths work.
/// </summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private const int ChunkBytes = 64 * 1024;
    private const int WaitingConnections = 512;

    // The target of new connections; each reads it once, at its start.
    private volatile IPEndPoint _server;

    // Guards the listening socket and whether it listens. The connections are a separate concurrent set.
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<Connection, Task> _connections = new();
    private readonly CancellationTokenSource _end = new();
    private Socket _listener;
    private Task _accepting;
    private bool _isCut;

    // Replaced as a whole; connections held by the old flow check again.
    private volatile Flow _flow = Flow.Open();

    /// <summary>Listens on a new port for connections to <paramref name="serverPort"/>.</summary>
    public TcpProxy(int serverPort)
    {
        _server = new(IPAddress.Loopback, serverPort);
        _listener = Bind();
        _accepting = Listen(_listener);
    }

    /// <summary>The port to connect to; the same for the life of this object.</summary>
    public int Port { get; } = FreePorts.Next();

    /// <summary>The address, e.g. 127.0.0.1:20123.</summary>
    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Resets all connections and refuses new ones.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            if (_isCut) return;
            _isCut = true;
            _listener.Dispose();

            // Bound but not listening: connections are refused, and no other process gets the port.
            _listener = Bind();
        }
        foreach (var connection in _connections.Keys) connection.Reset();
        Replace(Flow.Open());
    }

    /// <summary>Accepts connections and data but forwards nothing until <see cref="Mend"/>.</summary>
    public void Stall()
    {
        Replace(Flow.Stalled());
        Uncut();
    }

    /// <summary>Forwards everything, each chunk after <paramref name="delay"/>.</summary>
    public void Slow(TimeSpan delay)
    {
        Replace(Flow.Open(delay));
        Uncut();
    }

    /// <summary>Forwards everything.</summary>
    public void Mend()
    {
        Replace(Flow.Open());
        Uncut();
    }

    /// <summary>Resets all connections and accepts new ones.</summary>
    public void Reset()
    {
        foreach (var connection in _connections.Keys) connection.Reset();
    }

    /// <summary>Directs new connections to another server; open ones stay, as after a DNS change.</summary>
    public void Redirect(int serverPort) => _server = new(IPAddress.Loopback, serverPort);

    /// <summary>Resets all connections and releases the port.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        lock (_gate) _listener.Dispose();
        await _accepting;
        Replace(Flow.Open());
        foreach (var connection in _connections.Keys) connection.Reset();
        await Task.WhenAll(_connections.Values);
        _end.Dispose();
        FreePorts.Release(Port);
    }

    private void Replace(Flow flow)
    {
        var former = _flow;
        _flow = flow;
        former.Release();
    }

    private void Uncut()
    {
        lock (_gate)
        {
            if (!_isCut) return;
            _isCut = false;
            _accepting = Listen(_listener);
        }
    }

    private Socket Bind()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        return socket;
    }

    private Task Listen(Socket listener)
    {
        listener.Listen(WaitingConnections);
        return Task.Run(() => AcceptAsync(listener));
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync(_end.Token);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // Cut or disposed.
                return;
            }

            // Each connection handles its failures by a reset of both sides.
            var connection = new Connection(this, client);
            var running = new TaskCompletionSource();
            _connections[connection] = running.Task;

            // Accepted before the cut, but not yet among the connections that it reset.
            lock (_gate)
            {
                if (_isCut) connection.Reset();
            }
            _ = Task.Run(async () =>
            {
                await connection.RunAsync();
                _connections.TryRemove(connection, out _);
                running.SetResult();
            });
        }
    }

    /// <summary>Whether data passes, and how fast.</summary>
    private sealed class Flow
    {
        private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TimeSpan _delay;

        private Flow(TimeSpan delay) => _delay = delay;

        public static Flow Open(TimeSpan delay = default)
        {
            var flow = new Flow(delay);
            flow._gate.SetResult();
            return flow;
        }

        public static Flow Stalled() => new(default);

        public void Release() => _gate.TrySetResult();

        public async Task PassAsync()
        {
            await _gate.Task;
            if (_delay > TimeSpan.Zero) await Task.Delay(_delay);
        }
    }

    private sealed class Connection(TcpProxy proxy, Socket client) : IDisposable
    {
        private readonly Socket _server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public async Task RunAsync()
        {
            try
            {
                client.NoDelay = _server.NoDelay = true;
                await _server.ConnectAsync(proxy._server);
                await Task.WhenAny(PumpAsync(client, _server), PumpAsync(_server, client));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The server refuses, or the proxy was cut while it connected.
            }
            Reset();
        }

        public void Dispose() => Reset();

        /// <summary>Resets both sides, like a broken network and unlike a program that closes.</summary>
        public void Reset()
        {
            foreach (var socket in (Socket[])[client, _server])
            {
                try
                {
                    socket.LingerState = new(true, 0);
                }
                catch (Exception error) when (error is SocketException or ObjectDisposedException)
                {
                    // Not connected or already closed.
                }
                socket.Dispose();
            }
        }

        private async Task PumpAsync(Socket from, Socket to)
        {
            var chunk = new byte[ChunkBytes];
            try
            {
                while (await from.ReceiveAsync(chunk) is > 0 and var length)
                {
                    Flow flow;
                    do
                    {
                        flow = proxy._flow;
                        await flow.PassAsync();
                    }
                    while (flow != proxy._flow);
                    for (var sent = 0; sent < length;) sent += await to.SendAsync(chunk.AsMemory(sent, length - sent));
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // One side ended; the other is reset.
            }
        }
    }
}
