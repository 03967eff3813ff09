using Actors.Contracts;
using Actors.Fixtures;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table over Redis.</summary>
[NeedsServers]
public sealed class SelfHealingMembershipTableTests(RedisFixture redis) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
