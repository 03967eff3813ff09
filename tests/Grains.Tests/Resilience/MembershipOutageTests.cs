using Actors.Contracts;
using Actors.Fixtures;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table during a Redis outage.</summary>
[NeedsServers]
public sealed class MembershipOutageTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Joining_silo_waits_for_Redis()
    {
        await using var redis = new RedisServer();
        await using var silo = MembershipSilo.Create(redis.ConnectionString, "outage", 1000);
        var joining = silo.JoinAsync();
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.False(joining.IsCompleted);

        await redis.StartAsync();
        await joining.WaitAsync(Limit);
        Assert.Single(await silo.ReadAsync());
    }

    [Fact]
    public async Task Hanging_Redis_delays_no_call_and_an_emptied_table_is_restored()
    {
        await using var redis = await RedisServer.StartNewAsync(appendOnly: false);
        await using var silo = MembershipSilo.Create(redis.ConnectionString, "outage", 1000);
        await silo.JoinAsync();

        redis.Signal(Signals.Stop);
        var reading = silo.Table.ReadAllAsync();
        Assert.Same(reading, await Task.WhenAny(reading, Task.Delay(Limit)));
        Assert.True(reading.IsFaulted);
        redis.Signal(Signals.Continue);
        await redis.RestartAsync(kill: true);

        await Eventually.IsTrueAsync(async () =>
        {
            try
            {
                return (await silo.ReadAsync()).Count == 1;
            }
            catch (Exception)
            {
                // Not reconnected yet.
                return false;
            }
        });
        Assert.Equal(1, silo.Table.Repairs);
    }
}
