using Actors.Fixtures;
using Actors.Grains.Tests;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Actors.Grains.Tests;

/// <summary>One PostgreSQL server for all tests of this project; each has its own database.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public PostgresServer Server { get; } = new();

    public async ValueTask InitializeAsync() => await Server.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
