using Actors.Contracts;

namespace Actors.Embedded.Tests;

/// <summary>Runs the membership contract against Garnet.</summary>
public sealed class EmbeddedMembershipTests(EmbeddedJournalFixture garnet) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(garnet.Redis.ConnectionString);
}
