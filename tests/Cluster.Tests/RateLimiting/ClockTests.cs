using System.Diagnostics;
using Actors.Fixtures;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Wrong clocks of silos, and a clock of Redis that changes while limiters decide.</summary>
public sealed class ClockTests(ServersFixture servers)
{
    private static readonly RateLimitWindow Window = Per(20, TimeSpan.FromSeconds(1));

    [Theory]
    [InlineData(5)]
    [InlineData(-5)]
    public async Task Limits_do_not_depend_on_the_clock_of_a_silo(int seconds)
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1, time: new ShiftedTime(TimeSpan.FromSeconds(seconds)));
        var limiter = await LimiterAsync(cluster);
        var before = DateTimeOffset.UtcNow;
        var first = await limiter.AcquireAsync(new() { Permits = 20 });

        // Redis runs on this machine and its clock is right.
        Assert.InRange(first.DecidedAt, before, DateTimeOffset.UtcNow);
        var denied = await limiter.AcquireAsync(new());
        Assert.InRange(denied.RetryAfter, TimeSpan.FromTicks(1), Window.Duration);
        var next = await GrantedAsync(limiter);
        Assert.InRange(next.DecidedAt, first.DecidedAt + Window.Duration, DateTimeOffset.UtcNow);
    }

    [Theory]
    [InlineData(-30)]
    [InlineData(30)]
    [InlineData(-3600)]
    public async Task Limits_hold_when_the_clock_of_Redis_changes(int seconds)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libfaketime works on Linux only.");
        using var directory = new TemporaryDirectory("clock");
        var clock = directory.File("clock");
        ClockOffset.Set(clock, TimeSpan.Zero);
        await using var redis = new RedisServer { Environment = ClockOffset.In(clock) };
        await redis.StartAsync();
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1, redis: redis);
        var limiter = await LimiterAsync(cluster);

        // The earliest and latest time of each grant by the caller's clock.
        var grants = new List<(TimeSpan Began, TimeSpan Ended, DateTimeOffset DecidedAt)>();
        var watch = Stopwatch.StartNew();
        var isSet = false;
        while (watch.Elapsed < TimeSpan.FromSeconds(6) || (GrantedAfter() < 2 * Window.Limit && watch.Elapsed < TimeSpan.FromMinutes(1)))
        {
            if (!isSet && watch.Elapsed > TimeSpan.FromSeconds(2.5))
            {
                ClockOffset.Set(clock, TimeSpan.FromSeconds(seconds));
                isSet = true;
            }
            var began = watch.Elapsed;
            var decision = await limiter.AcquireAsync(new());
            if (decision.IsAllowed) grants.Add((began, watch.Elapsed, decision.DecidedAt));
            else await Task.Delay(2);
        }

        // A clock step forward skips time: earlier grants expire by the clock of Redis.
        if (seconds < 0)
        {
            for (var last = Window.Limit; last < grants.Count; last++)
                Assert.True(grants[last].Ended - grants[last - Window.Limit].Began >= Window.Duration);
        }
        for (var last = Window.Limit; last < grants.Count; last++)
            Assert.True(grants[last].DecidedAt - grants[last - Window.Limit].DecidedAt >= Window.Duration);

        // From 1 s after the change on, whole windows are used again, and none of them twice.
        var windows = (int)((watch.Elapsed - TimeSpan.FromSeconds(3.5)) / Window.Duration) + 2;
        Assert.InRange(GrantedAfter(), 2 * Window.Limit, windows * Window.Limit);
        var shown = (grants[^1].DecidedAt - DateTimeOffset.UtcNow).TotalSeconds;
        Assert.True(seconds < 0 ? shown > -10 : shown > 20, $"the decision time is {shown:0.0} s from now with a Redis clock offset of {seconds} s");

        int GrantedAfter() => grants.Count(grant => grant.Began > TimeSpan.FromSeconds(3.5));
    }

    [Fact]
    public async Task Limiter_waits_at_most_a_window_after_the_clock_is_set_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libfaketime works on Linux only.");
        using var directory = new TemporaryDirectory("clock");
        var clock = directory.File("clock");
        ClockOffset.Set(clock, TimeSpan.FromSeconds(60));
        await using var redis = new RedisServer { Environment = ClockOffset.In(clock) };
        await redis.StartAsync();
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1, redis: redis);

        // Longer than the deactivation takes on a busy machine: otherwise the grants expire before the clock is set back.
        var limiter = await LimiterAsync(cluster, Per(20, TimeSpan.FromSeconds(10)));
        await limiter.AcquireAsync(new() { Permits = 20 });
        await TestCluster.DeactivateAsync(limiter);

        ClockOffset.Set(clock, TimeSpan.Zero);
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);
        await GrantedAsync(limiter).WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static async Task<IRateLimiterGrain> LimiterAsync(TestCluster cluster, RateLimitWindow? window = null)
    {
        var limiter = cluster.Limiter(AnyClient());
        await limiter.SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = [window ?? Window] });
        return limiter;
    }
}
