using Actors.Cluster.Tests.RateLimiting;

namespace Actors.Cluster.Tests;

/// <summary>A user that moves between silos with different clocks: two clusters with one key prefix take it from each other.</summary>
public sealed class RequestIdClockTests(ServersFixture servers)
{
    [Theory]
    [InlineData(11)]
    [InlineData(-11)]
    public async Task Repeated_request_id_counts_once_on_a_silo_with_a_wrong_clock(int ahead)
    {
        var prefix = "clocks-" + Guid.NewGuid().ToString("n");
        await using var right = await TestCluster.StartAsync(servers, silos: 1, configure: Unflushed, keyPrefix: prefix);
        await using var wrong = await TestCluster.StartAsync(
            servers, silos: 1, configure: Unflushed, time: new ShiftedTime(TimeSpan.FromMinutes(ahead)), keyPrefix: prefix);
        var increment = new UserPatch { Increment = new() { ["n"] = 1 } };

        var first = await right.User("ada").UpdateAsync(increment, new WriteOptions { RequestId = "r" });
        var repeated = await wrong.User("ada").UpdateAsync(increment, new WriteOptions { RequestId = "r" });
        var second = await wrong.User("ada").UpdateAsync(increment, new WriteOptions { RequestId = "s" });

        // The next write of the right silo's activation detects that it lost the user, and takes it over.
        var back = await right.User("ada").UpdateAsync(increment, new WriteOptions { RequestId = "s" });

        Assert.Equal(first.Version, repeated.Version);
        Assert.Equal(second.Version, back.Version);
        Assert.Equal(2, (await right.User("ada").GetAsync())!.Counters["n"]);
    }

    private static void Unflushed(WriteBehind.WriteBehindOptions options) => options.FlushInterval = TimeSpan.FromMinutes(1);
}
