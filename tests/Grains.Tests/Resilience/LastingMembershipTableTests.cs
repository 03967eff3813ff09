using Actors.Contracts;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table over Redis.</summary>
public sealed class LastingMembershipTableTests(RedisFixture redis) : MembershipContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
