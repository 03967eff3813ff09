using Actors.Contracts;

namespace Actors.Embedded.Tests;

/// <summary>The membership table over Garnet.</summary>
public sealed class EmbeddedMembershipTests(EmbeddedJournalFixture garnet) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(garnet.Redis.ConnectionString);
}
