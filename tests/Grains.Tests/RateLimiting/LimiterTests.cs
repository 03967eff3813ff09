using Actors.Contracts;
using Actors.Fixtures;

namespace Actors.Grains.Tests.RateLimiting;

[NeedsServers]
public sealed class LimiterTests(RedisFixture redis) : LimiterContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
