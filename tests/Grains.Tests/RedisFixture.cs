using Actors.Fixtures;
using Actors.Grains.Tests;
using Actors.Resilience;
using Actors.Contracts;

[assembly: AssemblyFixture(typeof(RedisFixture))]

namespace Actors.Grains.Tests;

/// <summary>One Redis server for all tests of this project; each has a key prefix of its own.</summary>
public sealed class RedisFixture : IAsyncLifetime
{
    public RedisServer Server { get; } = new();

    /// <summary>A gateway whose keys nobody else uses.</summary>
    public RedisGateway Open(string? prefix = null) => new(
        new RedisOptions { ConnectionString = Server.ConnectionString, KeyPrefix = prefix ?? $"test-{Guid.NewGuid():n}" },
        Patience.Breaker);

    public async ValueTask InitializeAsync() => await Server.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
