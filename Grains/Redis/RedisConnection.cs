using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// A connection to a Redis. It is made on first use, kept by the driver and moved to another server by its
/// <see cref="RedisLink"/>.
/// </summary>
/// <param name="configuration">Creates the configuration, a new object each time.</param>
/// <param name="logger">The logger for reconnects.</param>
/// <param name="restored">Called when the driver has restored the connection.</param>
internal sealed class RedisConnection(Func<ConfigurationOptions> configuration, ILogger logger, Action? restored = null) : IAsyncDisposable
{
    // Guards the fields below. The next call replaces a failed attempt; a successful one stays.
    private readonly Lock _gate = new();
    private Task<RedisLink>? _connecting;
    private bool _isDisposed;

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects => _connecting is { IsCompletedSuccessfully: true } connected ? connected.Result.Reconnects : 0;

    /// <summary>Runs <paramref name="call"/> on the connection.</summary>
    public Task<T> CallAsync<TState, T>(TState state, Func<IDatabase, TState, Task<T>> call)
    {
        var connecting = Connecting();
        return connecting.IsCompletedSuccessfully
            ? call(connecting.Result.Multiplexer.GetDatabase(), state)
            : ConnectAndCallAsync(connecting, state, call);
    }

    /// <summary>The driver's connection, even while the server is unavailable. It then fails every call and reconnects by itself.</summary>
    public async Task<IConnectionMultiplexer> OpenAsync() => (await Connecting()).Multiplexer;

    /// <summary>Reports a failed call. If the server turned out to be a replica, the connection leaves it at once.</summary>
    public void Suspect(Exception error)
    {
        if (_connecting is { IsCompletedSuccessfully: true } connected && RedisFailures.IsReplica(error)) connected.Result.Refused();
    }

    public async ValueTask DisposeAsync()
    {
        Task<RedisLink>? connecting;
        lock (_gate) (connecting, _isDisposed) = (_connecting, true);
        if (connecting is null) return;

        // Wait also for a connection attempt, which would otherwise never be disposed. It takes at most the connect timeout.
        await connecting.ContinueWith(static _ => { }, TaskScheduler.Default);
        if (connecting.IsCompletedSuccessfully) await connecting.Result.DisposeAsync();
    }

    private static async Task<T> ConnectAndCallAsync<TState, T>(
        Task<RedisLink> connecting, TState state, Func<IDatabase, TState, Task<T>> call) =>
        await call((await connecting).Multiplexer.GetDatabase(), state);

    private Task<RedisLink> Connecting()
    {
        var connecting = _connecting;
        if (connecting is { IsFaulted: false }) return connecting;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _connecting is { IsFaulted: false } begun ? begun : _connecting = Task.Run(ConnectAsync);
        }
    }

    private async Task<RedisLink> ConnectAsync()
    {
        var link = await RedisLink.OpenAsync(configuration(), logger);
        if (restored is not null) link.Multiplexer.ConnectionRestored += (_, _) => restored();
        return link;
    }
}
