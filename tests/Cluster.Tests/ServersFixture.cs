using Actors.Cluster.Tests;
using Actors.Fixtures;

[assembly: AssemblyFixture(typeof(ServersFixture))]

namespace Actors.Cluster.Tests;

/// <summary>One Redis and one PostgreSQL for all tests; each cluster has its own database and key prefix.</summary>
public sealed class ServersFixture : IAsyncLifetime
{
    public RedisServer Redis { get; } = new();

    public PostgresServer Postgres { get; } = new();

    public async ValueTask InitializeAsync() => await Task.WhenAll(Redis.StartAsync(), Postgres.StartAsync());

    public async ValueTask DisposeAsync()
    {
        await Redis.DisposeAsync();
        await Postgres.DisposeAsync();
    }
}
