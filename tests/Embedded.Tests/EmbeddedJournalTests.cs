using Actors.Contracts;
using Actors.Embedded.Tests;
using Actors.Fixtures;

[assembly: AssemblyFixture(typeof(EmbeddedJournalFixture))]

namespace Actors.Embedded.Tests;

/// <summary>Runs the journal contract against Garnet.</summary>
public sealed class EmbeddedJournalTests(EmbeddedJournalFixture garnet) : JournalContract
{
    protected override string? CommitCommand => EmbeddedRedis.CommitCommand;

    protected override Task<string> StartAsync() => Task.FromResult(garnet.Redis.ConnectionString);
}

/// <summary>One Garnet for all tests; each has its own keys.</summary>
public sealed class EmbeddedJournalFixture : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new("garnet-journal");

    public EmbeddedRedis Redis { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Redis = await EmbeddedRedis.StartAsync(FreePorts.Next(), _directory.Path);

    public async ValueTask DisposeAsync()
    {
        await Redis.DisposeAsync();
        _directory.Dispose();
    }
}
