using Actors.Contracts;
using Actors.Fixtures;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Runs the membership contract against Redis.</summary>
[NeedsServers]
public sealed class SelfHealingMembershipTableTests(RedisFixture redis) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
