using Actors.Fixtures;
using Actors.Grains.Tests;
using Actors.Redis;
using Actors.StoreContract;

[assembly: AssemblyFixture(typeof(RedisFixture))]

namespace Actors.Grains.Tests;

/// <summary>One Redis server for all tests of this project; each has its own key prefix.</summary>
public sealed class RedisFixture : IAsyncLifetime
{
    public RedisServer Server { get; } = new();

    /// <summary>A gateway with a unique key prefix.</summary>
    public RedisGateway Open(string? prefix = null) => new(
        new RedisOptions { ConnectionString = Server.ConnectionString, KeyPrefix = prefix ?? $"test-{Guid.NewGuid():n}" },
        Patience.Breaker);

    public async ValueTask InitializeAsync() => await Server.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
