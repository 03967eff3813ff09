using Actors.StoreContract;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table over Redis.</summary>
public sealed class SelfHealingMembershipTableTests(RedisFixture redis) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
