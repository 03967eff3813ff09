using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>
/// A connection of the driver that does not stay with the wrong server. The driver keeps a connection for as long as it is
/// open, and the name it was made by may lead to another server by then: after a failover the old one answers READONLY, or
/// nothing at all. Once a second this looks whether the connection leads to a server that takes writes and answers; if not,
/// it closes the sockets, and the driver connects anew and resolves the name anew.
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

    // What takes longer by this than it may was held up by this process itself, which had no turn.
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(250);

    // Between two times that it connects anew without success: in an outage there is no better server, and to connect costs.
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastBackoff = TimeSpan.FromSeconds(3);

    private readonly ILogger _logger;
    private readonly string _address;
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

    private RedisLink(string address, ILogger logger) => (_address, _logger) = (address, logger);

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
        var link = new RedisLink(string.Join(", ", configuration.EndPoints.Select(Show)), logger);

        // A name that is resolved once and for all leads to the first server for ever.
        configuration.ResolveDns = false;

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
        var silent = new SilentServers();
        var (backoff, closed, isReported) = (FirstBackoff, 0L, false);
        try
        {
            while (true)
            {
                var began = Stopwatch.GetTimestamp();
                await _signal.WaitAsync(LookEvery, _stop.Token);
                try
                {
                    var looked = Stopwatch.GetTimestamp();
                    var (reason, servers) = await LookAsync();
                    var isLate = Stopwatch.GetElapsedTime(began, looked) >= LookEvery + Late || Stopwatch.GetElapsedTime(looked) >= AnswerLimit + Late;
                    var lost = silent.Look(reason == Wrong.Silent ? servers : [], isLate);
                    if (reason == Wrong.Not)
                    {
                        if (isReported) LogReached(_logger, _address);
                        (isReported, backoff) = (false, FirstBackoff);
                    }

                    var leaving = reason == Wrong.Silent ? lost : servers;
                    if (leaving.Count > 0 && IsOver(backoff))
                    {
                        // Once, however long it lasts. That nothing answers is told by those who call.
                        if (reason == Wrong.Replica && !isReported) LogLeaving(_logger, _address);
                        isReported |= reason == Wrong.Replica;
                        Close(leaving);
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

    /// <summary>What is wrong, and with which servers.</summary>
    private async Task<(Wrong Reason, IReadOnlyList<EndPoint> Servers)> LookAsync()
    {
        EndPoint[] all = [.. _sockets.Keys.Select(key => key.Server).Distinct()];
        if (_isRefused)
        {
            _isRefused = false;
            return (Wrong.Replica, all);
        }

        try
        {
            var connected = Array.FindAll(_multiplexer.GetServers(), server => server.IsConnected);
            if (connected.Length == 0) return (Wrong.Silent, all);
            if (connected.All(server => server.IsReplica && server.ServerType == ServerType.Standalone)) return (Wrong.Replica, all);

            // Of a cluster, one may be silent and the others well.
            var primaries = Array.FindAll(connected, server => !server.IsReplica);
            var answers = await Task.WhenAll(primaries.Select(AnswersAsync));
            EndPoint[] silent = [.. primaries.Where((_, i) => !answers[i]).Select(server => server.EndPoint)];
            return (silent.Length > 0 ? Wrong.Silent : Wrong.Not, silent);
        }
        catch (RedisException)
        {
            // The driver is about to connect.
            return (Wrong.Silent, all);
        }
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

    private static string Show(EndPoint server) => server is DnsEndPoint name ? $"{name.Host}:{name.Port}" : $"{server}";

    private enum Wrong
    {
        Not,
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
