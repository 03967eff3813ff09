using Actors.Fixtures;
using Actors.Grains.Tests;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Actors.Grains.Tests;

/// <summary>One PostgreSQL server for all tests of this project; each has its own database.</summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private readonly LazyServer<PostgresServer> _server = new(new PostgresServer(), server => server.StartAsync());

    /// <summary>The server; started by the first test that uses it.</summary>
    public PostgresServer Server => _server.Started;

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
