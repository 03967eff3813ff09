using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// A driver connection that leaves the wrong server. The driver keeps an open connection, but its host name may meanwhile lead
/// to another server: after a failover the old one answers READONLY or nothing. Once a second this class checks two things: the
/// server takes writes, and it answers at least as well as over a new connection. Otherwise it closes the sockets; the driver
/// then reconnects and resolves the name again.
/// </summary>
/// <remarks>
/// The driver's object stays the same, so its other users, such as Orleans' providers, keep working. With Redis Cluster the
/// driver itself follows the slots; there a server is left only if it does not answer.
/// </remarks>
internal sealed partial class RedisLink : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);

    // The backoff between unsuccessful reconnects. In an outage there is no better server, and reconnecting costs.
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastBackoff = TimeSpan.FromSeconds(3);

    private readonly ILogger _logger;
    private readonly string _address;
    private readonly ConfigurationOptions _newConnectionOptions;
    private readonly CancellationTokenSource _stop = new();

    // The driver opens one socket of each kind per server. It adds them on any thread.
    private readonly ConcurrentDictionary<(EndPoint Server, ConnectionType Kind), Socket> _sockets = new();

    // Released by any thread, at most to one, and awaited by the loop.
    private readonly SemaphoreSlim _signal = new(0, 1);
    private ConnectionMultiplexer _multiplexer = null!;
    private Task _watching = Task.CompletedTask;

    // Set by any thread, reset by the loop.
    private volatile bool _isRefused;
    private volatile bool _isOpen;
    private long _reconnects;

    private RedisLink(string address, ConfigurationOptions newConnection, ILogger logger) =>
        (_address, _newConnectionOptions, _logger) = (address, newConnection, logger);

    /// <summary>The driver's connection; the same for the life of this object.</summary>
    public IConnectionMultiplexer Multiplexer => _multiplexer;

    /// <summary>
    /// How often the driver has connected since the first time. A call after a reconnect may reach another server than one
    /// before it.
    /// </summary>
    public long Reconnects => Interlocked.Read(ref _reconnects);

    /// <summary>Connects, or fails as the driver does with these options.</summary>
    /// <param name="configuration">How to connect. This object owns the options from here on and changes them.</param>
    /// <param name="logger">The logger for reconnects.</param>
    /// <exception cref="RedisConnectionException">Redis cannot be reached, and the options treat that as an error.</exception>
    public static async Task<RedisLink> OpenAsync(ConfigurationOptions configuration, ILogger logger)
    {
        // A name that is resolved only once leads to the first server forever.
        configuration.ResolveDns = false;

        var newConnection = configuration.Clone();
        (newConnection.AbortOnConnectFail, newConnection.ConnectRetry, newConnection.ConnectTimeout) = (true, 1, (int)AnswerLimit.TotalMilliseconds);
        var link = new RedisLink(RedisConnectionString.AddressesOf(configuration), newConnection, logger);

        // How often the driver checks whether a server is a primary.
        configuration.ConfigCheckSeconds = (int)LookEvery.TotalSeconds;
        configuration.BeforeSocketConnect = link.Connecting + configuration.BeforeSocketConnect;
        try
        {
            link._multiplexer = await ConnectionMultiplexer.ConnectAsync(configuration);
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }

        link._isOpen = true;

        // Owned by this object. The loop ends with DisposeAsync and does not throw.
        link._watching = Task.Run(link.WatchAsync);
        return link;
    }

    /// <summary>Reports that a server answered that it is a replica. The connection leaves it at once.</summary>
    public void Refused()
    {
        _isRefused = true;
        try
        {
            if (_signal.CurrentCount == 0) _signal.Release();
        }
        catch (Exception error) when (error is SemaphoreFullException or ObjectDisposedException)
        {
            // Another thread signalled at the same moment, or the link is disposed.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        if (_multiplexer is not null) await _multiplexer.DisposeAsync();
        _signal.Dispose();
        _stop.Dispose();
    }

    private void Connecting(EndPoint server, ConnectionType kind, Socket socket)
    {
        _sockets[(server, kind)] = socket;
        if (_isOpen && kind == ConnectionType.Interactive) Interlocked.Increment(ref _reconnects);
    }

    private async Task WatchAsync()
    {
        var (backoff, closed, isReported) = (FirstBackoff, 0L, false);
        try
        {
            while (true)
            {
                await _signal.WaitAsync(LookEvery, _stop.Token);
                try
                {
                    var (state, servers) = await LookAsync();
                    if (state == LinkState.Well)
                    {
                        if (isReported) LogReached(_logger, _address);
                        (isReported, backoff) = (false, FirstBackoff);
                    }
                    else if (IsOver(backoff))
                    {
                        // The callers report a silent server. A replica is reported once, for as long as it lasts.
                        if (state == LinkState.Silent) servers = await RespondingOnNewConnectionAsync(servers);
                        else if (!isReported) LogLeaving(_logger, _address);
                        isReported |= state == LinkState.Replica;
                        Close(servers);
                        closed = Environment.TickCount64;
                        backoff = backoff * 2 < LastBackoff ? backoff * 2 : LastBackoff;
                    }
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // The next look tries again.
                    LogFailed(_logger, _address, error);
                }

                await Task.Delay(LeastPause, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }

        bool IsOver(TimeSpan pause) => closed == 0
            || Environment.TickCount64 - closed >= pause.TotalMilliseconds * (0.5 + Random.Shared.NextDouble());
    }

    /// <summary>The state of the connection, and the servers that are not well.</summary>
    private async Task<(LinkState State, IReadOnlyList<EndPoint> Servers)> LookAsync()
    {
        EndPoint[] all = [.. _sockets.Keys.Select(key => key.Server).Distinct()];
        if (_isRefused)
        {
            _isRefused = false;
            return (LinkState.Replica, all);
        }

        var connected = Array.FindAll(_multiplexer.GetServers(), server => server.IsConnected);
        if (connected.Length > 0 && connected.All(server => server.IsReplica && server.ServerType == ServerType.Standalone))
            return (LinkState.Replica, all);
        var silent = await SilentAsync();
        return (silent.Count > 0 ? LinkState.Silent : LinkState.Well, silent);
    }

    /// <summary>The primaries that do not answer; all servers if the driver has no connection.</summary>
    private async Task<IReadOnlyList<EndPoint>> SilentAsync()
    {
        if (!_multiplexer.IsConnected) await Task.Delay(AnswerLimit, _stop.Token);
        if (!_multiplexer.IsConnected) return [.. _sockets.Keys.Select(key => key.Server).Distinct()];

        // In a cluster, some servers may be silent while others are well.
        var primaries = Primaries(_multiplexer);
        var answers = await Task.WhenAll(primaries.Select(AnswersAsync));
        return [.. primaries.Where((_, i) => !answers[i]).Select(server => server.EndPoint)];
    }

    /// <summary>
    /// The silent servers that do answer over a new connection. A busy or unavailable server answers on neither. In that case
    /// the old connection stays, and with it the calls in flight.
    /// </summary>
    private async Task<IReadOnlyList<EndPoint>> RespondingOnNewConnectionAsync(IReadOnlyList<EndPoint> silent)
    {
        try
        {
            await using var newConnection = await ConnectionMultiplexer.ConnectAsync(_newConnectionOptions.Clone());
            var primaries = Primaries(newConnection);
            var answers = await Task.WhenAll(primaries.Select(AnswersAsync));
            IServer[] answered = [.. primaries.Where((_, i) => answers[i])];
            if (answered.Length == 0) return [];

            // Without a cluster there is one primary, whichever address now leads to it.
            if (answered.Any(server => server.ServerType == ServerType.Cluster))
                silent = [.. silent.Intersect(answered.Select(server => server.EndPoint))];
        }
        catch (RedisException)
        {
            return [];
        }

        // Check again, because this process itself may have been paused.
        return [.. silent.Intersect(await SilentAsync())];
    }

    private async Task<bool> AnswersAsync(IServer server)
    {
        try
        {
            await server.PingAsync().WaitAsync(AnswerLimit, _stop.Token);
            return true;
        }
        catch (Exception error) when (error is RedisServerException or RedisCommandException)
        {
            // An error is an answer too. The server may not accept PING.
            return true;
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            return false;
        }
    }

    private static IServer[] Primaries(IConnectionMultiplexer multiplexer) =>
        Array.FindAll(multiplexer.GetServers(), server => server is { IsConnected: true, IsReplica: false });

    // The driver treats this as a connection closed by the server and reconnects at once. A connection attempt has its own time
    // limit.
    private void Close(IReadOnlyList<EndPoint> servers)
    {
        foreach (var (key, socket) in _sockets)
        {
            if (!servers.Contains(key.Server)) continue;
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The socket is not open.
            }
        }
    }

    private enum LinkState
    {
        Well,
        Replica,
        Silent,
    }

    [LoggerMessage(EventId = 1107, Level = LogLevel.Warning, Message =
        "Redis at {Address} has become a replica and takes no writes; reconnecting because the address may now lead to another server")]
    private static partial void LogLeaving(ILogger logger, string address);

    [LoggerMessage(EventId = 1108, Level = LogLevel.Debug, Message = "The connection to Redis at {Address} could not be checked")]
    private static partial void LogFailed(ILogger logger, string address, Exception error);

    [LoggerMessage(EventId = 1109, Level = LogLevel.Information, Message = "Redis at {Address} takes writes again")]
    private static partial void LogReached(ILogger logger, string address);
}
