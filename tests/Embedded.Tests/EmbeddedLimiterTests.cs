using Actors.Contracts;

namespace Actors.Embedded.Tests;

/// <summary>Runs the limiter contract against Garnet.</summary>
public sealed class EmbeddedLimiterTests(EmbeddedJournalFixture garnet) : LimiterContract
{
    protected override Task<string> StartAsync() => Task.FromResult(garnet.Redis.ConnectionString);
}
