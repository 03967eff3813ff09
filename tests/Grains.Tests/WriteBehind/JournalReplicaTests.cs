using Actors.Contracts;
using Actors.Fixtures;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>A journal that counts only writes that a replica of its Redis has confirmed.</summary>
[NeedsServers]
public sealed class JournalReplicaTests
{
    [Fact]
    public async Task Row_that_the_replica_does_not_confirm_is_not_journaled()
    {
        await using var main = await RedisServer.StartNewAsync();
        await using var replica = await RedisServer.StartNewAsync(appendOnly: true, "--replicaof", "127.0.0.1", $"{main.Port}");
        await using var redis = new RedisGateway(
            new RedisOptions { ConnectionString = main.ConnectionString, JournalReplicas = 1 }, Patience.Breaker);
        var journal = new Journal(redis, "here", journaled: _ => { }, new WriteBehindCounters(), NullLogger.Instance);
        var (owner, _) = await journal.ClaimAsync("k");

        // The replica confirms nothing until it has caught up.
        var version = 0L;
        await Eventually.IsTrueAsync(async () => await AppendAsync() == AppendOutcome.Journaled);
        Assert.Equal(AppendOutcome.Journaled, await AppendAsync());

        await replica.KillAsync();
        Assert.Equal(AppendOutcome.Unknown, await AppendAsync());
        await replica.StartAsync();
        await Eventually.IsTrueAsync(async () => await AppendAsync() == AppendOutcome.Journaled);
        Assert.Equal(version, (await journal.ClaimAsync("k")).Row!.Version);

        Task<AppendOutcome> AppendAsync() => journal.AppendAsync(SiloBench.Make(owner, ++version));
    }
}
