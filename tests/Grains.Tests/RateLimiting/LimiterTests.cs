using Actors.Contracts;

namespace Actors.Grains.Tests.RateLimiting;

public sealed class LimiterTests(RedisFixture redis) : LimiterContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
