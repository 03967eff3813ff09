using Actors.Contracts;
using Actors.Fixtures;
using Actors.Grains.Tests;
using Actors.Redis;

[assembly: AssemblyFixture(typeof(RedisFixture))]

namespace Actors.Grains.Tests;

/// <summary>One Redis server for all tests of this project; each has its own key prefix.</summary>
public sealed class RedisFixture : IAsyncDisposable
{
    private readonly LazyServer<RedisServer> _server = new(new RedisServer(), server => server.StartAsync());

    /// <summary>The server; started by the first test that uses it.</summary>
    public RedisServer Server => _server.Started;

    /// <summary>A gateway with a unique key prefix.</summary>
    public RedisGateway Open(string? prefix = null) => new(
        new RedisOptions { ConnectionString = Server.ConnectionString, KeyPrefix = prefix ?? $"test-{Guid.NewGuid():n}" },
        Patience.Breaker);

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
