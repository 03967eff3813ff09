using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// A connection of the driver that does not stay with the wrong server. The driver keeps a connection for as long as it is
/// open, and the name it was made by may lead to another server by then: after a failover the old one answers READONLY, or
/// nothing at all. Once a second this looks whether the connection leads to a server that takes writes, and one that answers
/// or would not answer on a new connection either; if not, it closes the sockets, and the driver connects anew and resolves
/// the name anew.
/// </summary>
/// <remarks>
/// The driver's object stays the same, so whoever holds it (Orleans' providers do) goes on with it. With Redis Cluster the
/// driver itself follows the slots: there a server is left only when it does not answer.
/// </remarks>
internal sealed partial class RedisLink : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);

    // Between two times that it connects anew, or tries to, without success: in an outage there is no better server, and to connect costs.
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastBackoff = TimeSpan.FromSeconds(3);

    private readonly ILogger _logger;
    private readonly string _address;
    private readonly ConfigurationOptions _another;
    private readonly CancellationTokenSource _stop = new();

    // One socket of each kind to each server: the driver has no more at a time. It adds on any thread.
    private readonly ConcurrentDictionary<(EndPoint Server, ConnectionType Kind), Socket> _sockets = new();

    // Released by any thread, at most to one; awaited by the one loop.
    private readonly SemaphoreSlim _signal = new(0, 1);
    private ConnectionMultiplexer _multiplexer = null!;
    private Task _watching = Task.CompletedTask;

    // Set by any thread, taken by the loop.
    private volatile bool _isRefused;
    private volatile bool _isOpen;
    private long _reconnects;

    private RedisLink(string address, ConfigurationOptions another, ILogger logger) => (_address, _another, _logger) = (address, another, logger);

    /// <summary>The driver's connection; the same for the life of this object.</summary>
    public IConnectionMultiplexer Multiplexer => _multiplexer;

    /// <summary>
    /// How often the driver has begun to connect since it was opened. What comes after may be answered by another server than
    /// what came before.
    /// </summary>
    public long Reconnects => Interlocked.Read(ref _reconnects);

    /// <summary>Connects, or fails as the driver does with these options.</summary>
    /// <param name="configuration">How to connect. Belongs to this object from here on: it sets what it rests on.</param>
    /// <param name="logger">Where it says that it leaves a server.</param>
    /// <exception cref="RedisConnectionException">Redis cannot be reached, and the options ask for that to be an error.</exception>
    public static async Task<RedisLink> OpenAsync(ConfigurationOptions configuration, ILogger logger)
    {
        // A name that is resolved once and for all leads to the first server for ever.
        configuration.ResolveDns = false;

        var another = configuration.Clone();
        (another.AbortOnConnectFail, another.ConnectRetry, another.ConnectTimeout) = (true, 1, (int)AnswerLimit.TotalMilliseconds);
        var link = new RedisLink(RedisConnectionString.AddressesOf(configuration), another, logger);

        // How often the driver asks whether a server is a primary.
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

        // Owned by this object: it ends with DisposeAsync, and lets no failure out.
        link._watching = Task.Run(link.WatchAsync);
        return link;
    }

    /// <summary>A server has answered that it is a replica: it is left at once.</summary>
    public void Refused()
    {
        _isRefused = true;
        try
        {
            if (_signal.CurrentCount == 0) _signal.Release();
        }
        catch (Exception error) when (error is SemaphoreFullException or ObjectDisposedException)
        {
            // Told by another at the same moment, or at its end.
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
                        // That nothing answers is told by those who call; the other is told once, however long it lasts.
                        if (state == LinkState.Silent) servers = await WhereAnotherIsAnsweredAsync(servers);
                        else if (!isReported) LogLeaving(_logger, _address);
                        isReported |= state == LinkState.Replica;
                        Close(servers);
                        closed = Environment.TickCount64;
                        backoff = backoff * 2 < LastBackoff ? backoff * 2 : LastBackoff;
                    }
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // It is looked at again.
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

    /// <summary>How the connection is, and the servers for which it is not well.</summary>
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

    /// <summary>The primaries that do not answer, or all servers where the driver has no connection.</summary>
    private async Task<IReadOnlyList<EndPoint>> SilentAsync()
    {
        if (!_multiplexer.IsConnected) await Task.Delay(AnswerLimit, _stop.Token);
        if (!_multiplexer.IsConnected) return [.. _sockets.Keys.Select(key => key.Server).Distinct()];

        // Of a cluster, one may be silent and the others well.
        var primaries = Primaries(_multiplexer);
        var answers = await Task.WhenAll(primaries.Select(AnswersAsync));
        return [.. primaries.Where((_, i) => !answers[i]).Select(server => server.EndPoint)];
    }

    /// <summary>
    /// Of servers that are silent on this connection, those that answer on a new one. A server that is only busy, or away,
    /// answers on neither: there the connection stays, and with it the calls that are on their way.
    /// </summary>
    private async Task<IReadOnlyList<EndPoint>> WhereAnotherIsAnsweredAsync(IReadOnlyList<EndPoint> silent)
    {
        try
        {
            await using var another = await ConnectionMultiplexer.ConnectAsync(_another.Clone());
            var primaries = Primaries(another);
            var answers = await Task.WhenAll(primaries.Select(AnswersAsync));
            IServer[] answered = [.. primaries.Where((_, i) => answers[i])];
            if (answered.Length == 0) return [];

            // Without a cluster there is one primary, whichever address leads to it by now.
            if (answered.Any(server => server.ServerType == ServerType.Cluster))
                silent = [.. silent.Intersect(answered.Select(server => server.EndPoint))];
        }
        catch (RedisException)
        {
            return [];
        }

        // Once more: the pause may have been this process's own.
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
            // An answer all the same, or a server that is not asked such things.
            return true;
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            return false;
        }
    }

    private static IServer[] Primaries(IConnectionMultiplexer multiplexer) =>
        Array.FindAll(multiplexer.GetServers(), server => server is { IsConnected: true, IsReplica: false });

    // The driver takes it for a connection that was closed by the server, and connects at once. One that is still being made
    // has a time limit of its own.
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
                // Not open.
            }
        }
    }

    private enum LinkState
    {
        Well,
        Replica,
        Silent,
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Redis at {Address} has become a replica and takes no writes: connecting anew, since the address may lead to another server by now")]
    private static partial void LogLeaving(ILogger logger, string address);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The connection to Redis at {Address} could not be looked at")]
    private static partial void LogFailed(ILogger logger, string address, Exception error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Redis at {Address} takes writes again")]
    private static partial void LogReached(ILogger logger, string address);
}
