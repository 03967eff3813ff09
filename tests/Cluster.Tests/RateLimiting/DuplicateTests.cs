using System.Collections.Concurrent;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>
/// Two activations of one limiter at once, as after a partition or a wrong suspicion: two clusters that do not know each
/// other, with one Redis, one key prefix and clocks ten seconds apart.
/// </summary>
[Collection(LimiterCollection.Name)]
public sealed class DuplicateTests(LimiterCluster cluster, ServersFixture servers, ITestOutputHelper output)
{
    private static readonly TimeSpan Off = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRace = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Duplicate_activations_with_different_clocks_stay_exact()
    {
        var prefix = "duplicates-" + Guid.NewGuid().ToString("n");
        await using var ahead = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, time: new ShiftedTime(Off), keyPrefix: prefix);
        await using var behind = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, time: new ShiftedTime(-Off), keyPrefix: prefix);

        var window = Per(100, TimeSpan.FromMilliseconds(500));
        var granted = await RaceAsync([ahead, behind], window, permits: 6 * window.Limit);
        output.WriteLine($"{granted[0].Count} and {granted[1].Count} permits granted");
        Assert.All(granted, each => Assert.NotEmpty(each));
        var times = granted.SelectMany(each => each).Order().ToList();
        for (var last = window.Limit; last < times.Count; last++)
            Assert.True(times[last] - times[last - window.Limit] >= window.Duration, $"101 permits from {times[last - window.Limit]:O} to {times[last]:O}");

        // They do not starve each other.
        Assert.True(times.Count >= 6 * window.Limit, $"{times.Count} permits granted in {LongestRace}");
    }

    [Fact]
    public async Task Duplicate_activations_share_grants_and_charge_a_request_id_once()
    {
        var prefix = "duplicates-" + Guid.NewGuid().ToString("n");
        await using var one = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, keyPrefix: prefix);
        await using var other = await TestCluster.StartAsync(servers, silos: 1, redis: cluster.Redis, keyPrefix: prefix);
        var client = AnyClient();
        IRateLimiterGrain[] limiters = [one.Limiter(client), other.Limiter(client)];
        foreach (var limiter in limiters) await limiter.SetPolicyAsync(new() { Name = "p", Windows = [Per(40, Hour)] });

        var granted = 0;
        for (var i = 0; i < 120; i++)
        {
            if ((await limiters[i % 2].AcquireAsync(new() { Policy = "p", RequestId = i < 20 ? $"request-{i / 2}" : null })).IsAllowed && i >= 20) granted++;
        }
        Assert.Equal(30, granted);
        var denied = await Task.WhenAll(limiters.Select(limiter => limiter.AcquireAsync(new() { Policy = "p" })));
        Assert.All(denied, decision => Assert.False(decision.IsAllowed));
    }

    private static async Task<ConcurrentQueue<DateTimeOffset>[]> RaceAsync(TestCluster[] clusters, RateLimitWindow window, int permits)
    {
        var client = AnyClient();
        foreach (var each in clusters) await each.Limiter(client).SetPolicyAsync(new() { Name = "race", Windows = [window] });
        using var stop = new CancellationTokenSource(LongestRace);
        ConcurrentQueue<DateTimeOffset>[] granted = [.. clusters.Select(_ => new ConcurrentQueue<DateTimeOffset>())];
        await Task.WhenAll(clusters.SelectMany((each, index) => Enumerable.Range(0, 8).Select(caller => Task.Run(async () =>
        {
            var limiter = each.Limiter(client);
            while (!stop.IsCancellationRequested && granted.Sum(grants => grants.Count) < permits)
            {
                var asked = 1 + (caller % 3);
                var decision = await limiter.AcquireAsync(new() { Policy = "race", Permits = asked });
                for (var i = 0; decision.IsAllowed && i < asked; i++) granted[index].Enqueue(decision.DecidedAt);
                if (!decision.IsAllowed) await Task.Delay(1);
            }
        }))));
        return granted;
    }
}
