using Actors.Fixtures;

namespace Actors.Harness;

/// <summary>One silo's connections to Redis, each through a proxy, which can fail without affecting other silos.</summary>
public sealed class RedisLinks(int redisPort) : IAsyncDisposable
{
    /// <summary>The connection of the journal.</summary>
    public TcpProxy Journal { get; } = new(redisPort);

    /// <summary>The connection of cached copies.</summary>
    public TcpProxy Cache { get; } = new(redisPort);

    /// <summary>The connection of everything else, mainly the membership table.</summary>
    public TcpProxy Others { get; } = new(redisPort);

    public IReadOnlyList<TcpProxy> All => [Journal, Cache, Others];

    /// <summary>The settings that make a silo use these proxies.</summary>
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
