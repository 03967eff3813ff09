using Actors.Contracts;

namespace Actors.Grains.Tests.WriteBehind;

public sealed class JournalTests(RedisFixture redis) : JournalContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
