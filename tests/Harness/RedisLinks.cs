using Actors.Fixtures;

namespace Actors.Harness;

/// <summary>One silo's own ways to Redis, each through a proxy: they can fail while other silos' ways are well.</summary>
public sealed class RedisLinks(int redisPort) : IAsyncDisposable
{
    /// <summary>The way of the journal.</summary>
    public TcpProxy Journal { get; } = new(redisPort);

    /// <summary>The way of cached copies.</summary>
    public TcpProxy Cache { get; } = new(redisPort);

    /// <summary>The way of all else, the table of members above all.</summary>
    public TcpProxy Others { get; } = new(redisPort);

    /// <summary>All ways.</summary>
    public IReadOnlyList<TcpProxy> All => [Journal, Cache, Others];

    /// <summary>The settings that have a silo use them.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["ConnectionStrings__redis"] = Others.Address,
        ["ConnectionStrings__redis-journal"] = Journal.Address,
        ["ConnectionStrings__redis-cache"] = Cache.Address,
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var link in All) await link.DisposeAsync();
    }
}
