using Actors.Contracts;
using Actors.Fixtures;

namespace Actors.Grains.Tests.WriteBehind;

[NeedsServers]
public sealed class JournalTests(RedisFixture redis) : JournalContract
{
    protected override Task<string> StartAsync() => Task.FromResult(redis.Server.ConnectionString);
}
