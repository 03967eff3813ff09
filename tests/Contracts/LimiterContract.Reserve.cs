using Actors.Fixtures;
using CsCheck;

namespace Actors.Contracts;

/// <summary>Permits that Redis counts before they are requested.</summary>
public abstract partial class LimiterContract
{
    // Far more than allowed, so that the effect shows in small windows.
    private const double Much = 0.5;

    [Fact]
    public async Task Busy_client_gets_many_grants_per_script_and_each_is_counted()
    {
        var window = new RateLimitWindow(5000, TimeSpan.FromSeconds(30));
        var limiter = Open("often", window, 0.01);
        for (var i = 1; i <= 1000; i++)
        {
            var decision = await limiter.AcquireAsync(1);
            Assert.Equal((true, 5000 - i, RateLimitSource.Redis), (decision.IsAllowed, decision.Remaining, decision.Source));
        }

        Assert.InRange(limiter.Counters.ScriptCalls, 1, 200);

        // A call with a request id also records the grants since the last script, each with its time.
        await limiter.AcquireAsync(1, name: "1:p:x");
        var entries = await Raw.SortedSetRangeByRankWithScoresAsync(LogOf(limiter, "often"));
        var counted = entries.Where(entry => !entry.Element.ToString().StartsWith('o') && !entry.Element.ToString().EndsWith(":r", StringComparison.Ordinal));
        Assert.Equal(1001, counted.Sum(entry => int.Parse(entry.Element.ToString().Split(':')[1])));
    }

    [Fact]
    public async Task Script_returns_at_most_a_hundred_entries()
    {
        // The reserve outlasts all calls, and each call comes at least a millisecond after the previous one.
        var limiter = Open("told", new RateLimitWindow(RateLimits.MaxLimit, Minute), Much);
        for (var i = 0; i < 10; i++) await limiter.AcquireAsync(10_000);
        await limiter.AcquireAsync(1);
        var calls = limiter.Counters.ScriptCalls;
        for (var i = 0; i < 2 * RateLimiting.Reserve.MaxNotes; i++)
        {
            await limiter.AcquireAsync(1);
            var granted = limiter.Logs.Clock.Now;
            SpinWait.SpinUntil(() => limiter.Logs.Clock.Now > granted + RateLimiting.Reserve.Tick);
        }

        Assert.InRange(limiter.Counters.ScriptCalls - calls, 1, 20);
    }

    [Fact]
    public async Task Infrequent_callers_reserve_nothing()
    {
        var limiter = Open("seldom", new RateLimitWindow(1000, Minute));
        for (var i = 0; i < 3; i++)
        {
            await limiter.AcquireAsync(1);
            Assert.DoesNotContain(await Raw.SortedSetRangeByRankAsync(LogOf(limiter, "seldom")), member => member.ToString().EndsWith(":r", StringComparison.Ordinal));
            await Task.Delay(TimeSpan.FromMilliseconds(1100));
        }
    }

    [Fact]
    public async Task Reserve_is_released_when_its_owner_deactivates()
    {
        var window = new RateLimitWindow(1000, Minute);
        var limiter = Open("ends", window, Much);
        for (var i = 0; i < 10; i++) await limiter.AcquireAsync(1);
        await limiter.RunAsync(limiter.Limiter.CloseAsync);
        Assert.Equal(1000 - 10 - 1, (await Open("ends", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Unknown_reserve_counts_as_granted_while_its_owner_may_use_it()
    {
        var window = new RateLimitWindow(1000, Minute);
        var first = Open("killed", window, Much);
        for (var i = 0; i < 10; i++) await first.AcquireAsync(1);
        var calls = first.Counters.ScriptCalls;
        var last = Assert.Single(await Raw.SortedSetRangeByRankAsync(LogOf(first, "killed"), -2, -2)).ToString().Split(':');
        var reserved = int.Parse(last[1]);
        Assert.Equal("r", last[2]);

        var second = Open("killed", window, Much);
        var asked = second.AcquireAsync(1);
        await Eventually.IsTrueAsync(() => Task.FromResult(second.Counters.ScriptCalls > 0));

        // The first does not know that and continues.
        var late = new List<RateLimitDecision>();
        for (var i = 0; i < 3; i++) late.Add(await first.AcquireAsync(1));
        Assert.Equal(calls, first.Counters.ScriptCalls);
        Assert.All(late, decision => Assert.True(decision.IsAllowed));
        Assert.False(asked.IsCompleted);

        var decision = await asked;
        Assert.True(decision.DecidedAt > late[^1].DecidedAt);
        Assert.Equal(1000 - int.Parse(last[0]) - reserved - 1, decision.Remaining);
    }

    [Fact]
    public async Task Reserve_in_a_lost_log_is_counted_once()
    {
        var window = new RateLimitWindow(1000, Minute);
        var limiter = Open("reserve-lost", window, Much);
        for (var i = 0; i < 10; i++) await limiter.AcquireAsync(1);
        await Raw.KeyDeleteAsync(LogOf(limiter, "reserve-lost"));
        for (var i = 0; i < 100; i++) Assert.Equal(1000 - 11 - i, (await limiter.AcquireAsync(1)).Remaining);
        await limiter.RunAsync(limiter.Limiter.CloseAsync);
        Assert.Equal(1000 - 111, (await Open("reserve-lost", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Reserve_counts_only_its_used_part_after_an_outage()
    {
        var window = new RateLimitWindow(1000, Minute);
        var limiter = Open("reserve-outage", window, Much);
        for (var i = 0; i < 10; i++) await limiter.AcquireAsync(1);
        _redis.Isolate("a test");
        for (var i = 0; i < 10; i++) Assert.Equal(RateLimitSource.Local, (await limiter.AcquireAsync(1)).Source);
        _redis.Close("a test");
        await Eventually.IsTrueAsync(() => Task.FromResult(limiter.Counters.Unsynced == 0));
        for (var i = 0; i < 10; i++) Assert.Equal(1000 - 21 - i, (await limiter.AcquireAsync(1)).Remaining);
        await limiter.RunAsync(limiter.Limiter.CloseAsync);
        Assert.Equal(1000 - 31, (await Open("reserve-outage", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Reserve_that_exceeds_changed_windows_grants_nothing()
    {
        var limiter = Open("lowered", new RateLimitWindow(1000, Minute), Much);
        for (var i = 0; i < 20; i++) await limiter.AcquireAsync(1);
        limiter.Limiter.Policy = PolicyOf(new RateLimitWindow(21, Minute));
        Assert.Equal(0, (await limiter.AcquireAsync(1)).Remaining);
        Assert.False((await limiter.AcquireAsync(1)).IsAllowed);
    }

    [Fact]
    public async Task Reserve_grants_never_overtake_waiting_calls()
    {
        var limiter = Open("before", new RateLimitWindow(100, TimeSpan.FromSeconds(2)), Much);
        for (var i = 0; i < 20; i++) await limiter.AcquireAsync(1);
        var waiting = limiter.AcquireAsync(90, maxWait: RateLimits.MaxWait);
        Assert.False((await limiter.AcquireAsync(1)).IsAllowed);
        Assert.True((await waiting).IsAllowed);
    }

    [Fact]
    public Task Every_decision_with_a_reserve_matches_the_definition() =>
        Gen.Select(
                Gen.Select(Gen.Int[10, 60], Gen.Int[5, 80]).Array[1, 3],
                Gen.Select(Gen.Int[1, 6], Gen.Int[0, 40], Gen.Int[0, 20]).Array[1, 150])
            .SampleAsync(
                async (sizes, calls) =>
                {
                    // Grants from a reserve within one tick are recorded together with the time of the last.
                    var tick = TimeSpan.FromMicroseconds(RateLimiting.Reserve.Tick);
                    var windows = sizes.DistinctBy(size => size.Item2).Select(size => new RateLimitWindow(size.Item1, TimeSpan.FromMilliseconds(size.Item2))).ToArray();
                    var client = Guid.NewGuid().ToString("n");
                    var limiter = Open(client, PolicyOf(windows), reservedShare: Much);
                    var oracle = new GrantOracle(windows);
                    foreach (var (size, pause, end) in calls)
                    {
                        var permits = Math.Min(size, windows.Min(window => window.Limit));
                        if (pause > 30) await Task.Delay(pause - 30);
                        if (end == 0)
                        {
                            await limiter.RunAsync(limiter.Limiter.CloseAsync);
                            limiter = Open(client, PolicyOf(windows), reservedShare: Much);
                        }

                        var decision = await limiter.AcquireAsync(permits);
                        if (decision.IsAllowed)
                        {
                            Assert.True(oracle.Fits(decision.DecidedAt, permits));
                            oracle.Note(decision.DecidedAt, permits);
                        }
                        else
                        {
                            Assert.False(oracle.Fits(decision.DecidedAt - tick, permits));
                            var free = oracle.FreeAt(decision.DecidedAt - tick, permits);
                            Assert.InRange(decision.DecidedAt + decision.RetryAfter, free, free + tick);
                        }
                    }
                },
                iter: 40,
                threads: 1);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Takeovers_with_a_reserve_never_exceed_the_limit_whatever_the_clock(int seed)
    {
        var window = new RateLimitWindow(200, TimeSpan.FromMilliseconds(400));
        var client = $"any-clock-{seed}";
        var first = Open(client, window, Much);
        var grants = new List<(DateTimeOffset, int)>();
        var told = new List<(long Began, long Ended)>();
        for (var i = 0; i < 40; i++) await AcquireAsync(first);

        // The first continues, and others start that do not know each other.
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(4));
        await Task.WhenAll(((LimiterActor[])[first, Open(client, window, Much), Open(client, window, Much)]).Select(async (limiter, index) =>
        {
            var random = new Random(seed + index);
            await Task.Delay(index * random.Next(1, 20));
            while (!stop.IsCancellationRequested)
            {
                if (!await AcquireAsync(limiter)) await Task.Delay(random.Next(1, 5));
            }
        }));

        GrantOracle.AssertExact(grants, window);
        Assert.InRange(grants.Count, 400, 200 * 13);

        // Grants certainly made within one window never exceed its limit.
        var length = (long)(window.Duration.TotalSeconds * TimeProvider.System.TimestampFrequency);
        foreach (var (began, _) in told) Assert.InRange(told.Count(each => each.Began >= began && each.Ended < began + length), 0, window.Limit);

        async Task<bool> AcquireAsync(LimiterActor limiter)
        {
            var began = TimeProvider.System.GetTimestamp();
            var decision = await limiter.AcquireAsync();
            var ended = TimeProvider.System.GetTimestamp();
            lock (grants)
            {
                if (!decision.IsAllowed) return false;
                grants.Add((decision.DecidedAt, 1));
                told.Add((began, ended));
                return true;
            }
        }
    }

    [Fact]
    public async Task Activation_that_took_over_a_used_log_reserves_nothing()
    {
        var window = new RateLimitWindow(1000, Minute);
        LimiterActor[] twins = [Open("both", window, Much), Open("both", window, Much)];
        for (var i = 0; i < 20; i++) await twins[0].AcquireAsync(1);
        for (var i = 0; i < 20; i++)
        {
            await twins[1].AcquireAsync(1);
            var members = await Raw.SortedSetRangeByRankAsync(LogOf(twins[1], "both"), -2, -2);
            Assert.True(i == 0 || !members[0].ToString().EndsWith(":r", StringComparison.Ordinal), $"{i}: {members[0]}");
        }
    }
}
