using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>A connection to a Redis: made on first use, kept by the driver and moved by its <see cref="RedisLink"/> from then on.</summary>
/// <param name="configuration">Where and how; a new object each time.</param>
/// <param name="logger">Where it says that it leaves a server.</param>
/// <param name="restored">Told when the driver has the connection back.</param>
internal sealed class RedisConnection(Func<ConfigurationOptions> configuration, ILogger logger, Action? restored = null) : IAsyncDisposable
{
    // Guards both below. An attempt that failed is replaced by the next call; one that succeeded stays.
    private readonly Lock _gate = new();
    private Task<RedisLink>? _connecting;
    private bool _isDisposed;

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects => _connecting is { IsCompletedSuccessfully: true } connected ? connected.Result.Reconnects : 0;

    /// <summary>Runs <paramref name="call"/> on it.</summary>
    public Task<T> CallAsync<TState, T>(TState state, Func<IDatabase, TState, Task<T>> call)
    {
        var connecting = Connecting();
        return connecting.IsCompletedSuccessfully
            ? call(connecting.Result.Multiplexer.GetDatabase(), state)
            : ConnectAndCallAsync(connecting, state, call);
    }

    /// <summary>The driver's connection, also while the server is away: it then fails every call, and connects by itself once it can.</summary>
    public async Task<IConnectionMultiplexer> OpenAsync() => (await Connecting()).Multiplexer;

    /// <summary>To be told of calls that failed: a server that is a replica is left at once.</summary>
    public void Suspect(Exception error)
    {
        if (_connecting is { IsCompletedSuccessfully: true } connected && RedisFailures.IsReplica(error)) connected.Result.Refused();
    }

    public async ValueTask DisposeAsync()
    {
        Task<RedisLink>? connecting;
        lock (_gate) (connecting, _isDisposed) = (_connecting, true);
        if (connecting is null) return;

        // Also one that is still being made, which would otherwise go on for ever; it takes no longer than a connect time-out.
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
