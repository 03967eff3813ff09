using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Actors.Fixtures;

/// <summary>
/// Stands on loopback between one client and a server, and can be cut, stalled, slowed and mended: the way to the server
/// fails while the server itself, and everybody else's way to it, is well.
/// </summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private const int ChunkBytes = 64 * 1024;
    private const int WaitingConnections = 512;

    // Where new connections go; each reads it once, when it begins.
    private volatile IPEndPoint _server;

    // Guards the listening socket and whether it listens. The connections are a concurrent set of their own.
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<Connection, Task> _connections = new();
    private readonly CancellationTokenSource _end = new();
    private Socket _listener;
    private Task _accepting;
    private bool _isCut;

    // Replaced as a whole; whoever is held by the old one looks again.
    private volatile Flow _flow = Flow.Open();

    /// <summary>Begins to listen, on a port of its own, for connections to <paramref name="serverPort"/>.</summary>
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

            // Bound and not listening: connections are refused, and nobody else is given the port.
            _listener = Bind();
        }
        foreach (var connection in _connections.Keys) connection.Reset();
        Replace(Flow.Open());
    }

    /// <summary>Takes connections and what is sent on them, and passes nothing on. What it holds goes on its way once it is mended.</summary>
    public void Stall()
    {
        Replace(Flow.Stalled());
        Uncut();
    }

    /// <summary>Passes everything on, each chunk after <paramref name="delay"/>.</summary>
    public void Slow(TimeSpan delay)
    {
        Replace(Flow.Open(delay));
        Uncut();
    }

    /// <summary>Passes everything on.</summary>
    public void Mend()
    {
        Replace(Flow.Open());
        Uncut();
    }

    /// <summary>Resets all connections; new ones are welcome.</summary>
    public void Reset()
    {
        foreach (var connection in _connections.Keys) connection.Reset();
    }

    /// <summary>Leads new connections to another server; those that are open stay where they are, as behind a name that changes.</summary>
    public void Redirect(int serverPort) => _server = new(IPAddress.Loopback, serverPort);

    /// <summary>Resets all connections and gives the port back.</summary>
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
                // Cut, or at the end.
                return;
            }

            // Each owns its failures: it ends by resetting both sides, whatever happens.
            var connection = new Connection(this, client);
            var running = new TaskCompletionSource();
            _connections[connection] = running.Task;

            // Accepted before the cut and not yet among those that were reset by it.
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

    /// <summary>Whether data pass, and how fast.</summary>
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

        /// <summary>Ends both sides as a broken network does, not as a program that closes.</summary>
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
                    // Never connected, or closed already.
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
