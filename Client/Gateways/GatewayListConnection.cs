using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors;

/// <summary>
/// The client's connection to the Redis that lists the silos. A long-running app outlives a Redis primary: after a failover, the
/// list comes from the new primary.
/// </summary>
internal sealed class GatewayListConnection(ClusterLocation location, ILogger<GatewayListConnection> logger) : IAsyncDisposable
{
    // Replaced by each attempt to start the client; attempts are sequential.
    private RedisLink? _link;
    private volatile bool _isDisposed;

    /// <summary>Opens a new connection in place of the previous one.</summary>
    public async Task<IConnectionMultiplexer> OpenAsync()
    {
        var link = await RedisLink.OpenAsync(location.Redis!.Clone(), new SafeLogger(logger));
        if (Interlocked.Exchange(ref _link, link) is { } former) await former.DisposeAsync();

        // A client that used other gateways may have stopped before the connection was open.
        if (_isDisposed) await DisposeAsync();
        return link.Multiplexer;
    }

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        if (Interlocked.Exchange(ref _link, null) is { } link) await link.DisposeAsync();
    }
}
