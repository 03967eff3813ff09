using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors;

/// <summary>
/// The client's connection to the Redis that lists the silos. An app that runs for weeks outlives that Redis: after a
/// failover its list comes from the new primary.
/// </summary>
internal sealed class GatewayListConnection(ClusterLocation location, ILogger<GatewayListConnection> logger) : IAsyncDisposable
{
    // Replaced by each attempt to start the client, which are made one after the other.
    private RedisLink? _link;
    private volatile bool _isDisposed;

    /// <summary>Connects anew, in place of an earlier connection.</summary>
    public async Task<IConnectionMultiplexer> OpenAsync()
    {
        var link = await RedisLink.OpenAsync(location.Redis!.Clone(), new SafeLogger(logger));
        if (Interlocked.Exchange(ref _link, link) is { } former) await former.DisposeAsync();

        // A client that went by other gateways may have ended before this was open.
        if (_isDisposed) await DisposeAsync();
        return link.Multiplexer;
    }

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        if (Interlocked.Exchange(ref _link, null) is { } link) await link.DisposeAsync();
    }
}
