using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>One role's connection to its Redis: made on first use, kept by the driver from then on.</summary>
/// <param name="configuration">Where and how.</param>
/// <param name="restored">Told when the driver has the connection back.</param>
internal sealed class RedisConnection(Func<ConfigurationOptions> configuration, Action restored) : IAsyncDisposable
{
    // Guards both below. An attempt that failed is replaced by the next call; one that succeeded stays.
    private readonly Lock _gate = new();
    private Task<ConnectionMultiplexer>? _connecting;
    private bool _isDisposed;

    /// <summary>Runs <paramref name="call"/> on it.</summary>
    public Task<T> CallAsync<TState, T>(TState state, Func<IDatabase, TState, Task<T>> call)
    {
        var connecting = Connecting();
        return connecting.IsCompletedSuccessfully ? call(connecting.Result.GetDatabase(), state) : ConnectAndCallAsync(connecting, state, call);
    }

    public async ValueTask DisposeAsync()
    {
        Task<ConnectionMultiplexer>? connecting;
        lock (_gate) (connecting, _isDisposed) = (_connecting, true);
        if (connecting is null) return;

        // Also one that is still being made, which would otherwise go on for ever; it takes no longer than a connect time-out.
        await connecting.ContinueWith(static _ => { }, TaskScheduler.Default);
        if (connecting.IsCompletedSuccessfully) await connecting.Result.DisposeAsync();
    }

    private static async Task<T> ConnectAndCallAsync<TState, T>(
        Task<ConnectionMultiplexer> connecting, TState state, Func<IDatabase, TState, Task<T>> call) =>
        await call((await connecting).GetDatabase(), state);

    private Task<ConnectionMultiplexer> Connecting()
    {
        var connecting = _connecting;
        if (connecting is { IsFaulted: false }) return connecting;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _connecting is { IsFaulted: false } begun ? begun : _connecting = Task.Run(ConnectAsync);
        }
    }

    private async Task<ConnectionMultiplexer> ConnectAsync()
    {
        var redis = await ConnectionMultiplexer.ConnectAsync(configuration());
        redis.ConnectionRestored += (_, _) => restored();
        return redis;
    }
}
