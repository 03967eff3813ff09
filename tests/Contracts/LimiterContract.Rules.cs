using CsCheck;

namespace Actors.Contracts;

public abstract partial class LimiterContract
{
    [Fact]
    public Task Every_decision_matches_the_definition() =>
        Gen.Select(
                Gen.Select(Gen.Int[1, 12], Gen.Int[5, 40]).Array[1, 3],
                Gen.Select(Gen.Int[1, 6], Gen.Int[0, 12], Gen.Bool).Array[1, 60])
            .SampleAsync(
                async (sizes, calls) =>
                {
                    var windows = sizes.DistinctBy(size => size.Item2).Select(size => new RateLimitWindow(size.Item1, TimeSpan.FromMilliseconds(size.Item2))).ToArray();
                    var client = Guid.NewGuid().ToString("n");
                    var limiter = Open(client, windows);
                    var oracle = new GrantOracle(windows);
                    foreach (var (size, pause, isNew) in calls)
                    {
                        var permits = Math.Min(size, windows.Min(window => window.Limit));
                        if (pause > 6) await Task.Delay(pause - 6);
                        if (isNew && pause == 0) limiter = Open(client, windows);
                        var decision = await limiter.AcquireAsync(permits);
                        Assert.Equal(RateLimitSource.Redis, decision.Source);
                        Assert.Equal(oracle.Fits(decision.DecidedAt, permits), decision.IsAllowed);
                        if (decision.IsAllowed) oracle.Note(decision.DecidedAt, permits);
                        else Assert.Equal(oracle.FreeAt(decision.DecidedAt, permits), decision.DecidedAt + decision.RetryAfter);
                    }
                },
                iter: 60,
                threads: 1);

    [Fact]
    public async Task Duplicate_activations_grant_no_more_than_one_would()
    {
        RateLimitWindow[] windows = [new(20, TimeSpan.FromMilliseconds(100)), new(60, TimeSpan.FromMilliseconds(500))];
        var twins = new[] { Open("twins", windows), Open("twins", windows), Open("twins", windows) };
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(3);
        var grants = (await Task.WhenAll(twins.SelectMany(twin => Enumerable.Range(0, 4).Select(async seed =>
        {
            var random = new Random(seed);
            var granted = new List<(DateTimeOffset, int)>();
            while (DateTime.UtcNow < until)
            {
                var permits = random.Next(1, 4);
                if (await twin.AcquireAsync(permits) is { IsAllowed: true } decision) granted.Add((decision.DecidedAt, permits));
                await Task.Delay(random.Next(0, 3));
            }

            return granted;
        })))).SelectMany(each => each).ToList();

        GrantOracle.AssertExact(grants, windows);
        Assert.InRange(grants.Sum(grant => grant.Item2), 60 * 4, 60 * 7);
        Assert.Contains(twins, twin => twin.FencedCount > 0);
    }

    [Fact]
    public async Task New_owner_knows_every_grant()
    {
        await Open("moved", new RateLimitWindow(10, Minute)).AcquireAsync(4);
        var second = Open("moved", new RateLimitWindow(10, Minute));
        Assert.Equal(3, (await second.AcquireAsync(3)).Remaining);
        Assert.False((await second.AcquireAsync(4)).IsAllowed);
        Assert.Equal(0, (await Open("moved", new RateLimitWindow(10, Minute)).AcquireAsync(3)).Remaining);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Lost_log_is_restored_without_a_second_budget(bool inWhole)
    {
        var limiter = Open("lost", new RateLimitWindow(10, Minute));
        await limiter.AcquireAsync(2);
        await limiter.AcquireAsync(5);
        if (inWhole) await Raw.KeyDeleteAsync(LogOf(limiter, "lost"));
        else await Raw.SortedSetRemoveAsync(LogOf(limiter, "lost"), "2:5");

        // The call exceeds the limit in both cases, but only the restored log shows it.
        Assert.Equal(1, (await limiter.AcquireAsync(2)).Remaining);
        Assert.False((await limiter.AcquireAsync(2)).IsAllowed);
        Assert.Equal(0, (await Open("lost", new RateLimitWindow(10, Minute)).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Late_grants_that_no_caller_received_are_refunded()
    {
        var limiter = Open("late", new RateLimitWindow(10, Minute));
        var first = await limiter.AcquireAsync(2);
        var at = (first.DecidedAt - DateTimeOffset.UnixEpoch).TotalMicroseconds + 100;
        await Raw.SortedSetAddAsync(LogOf(limiter, "late"), "2:7", at);
        Assert.Equal(5, (await limiter.AcquireAsync(3)).Remaining);
        Assert.Equal(5, (await PeekAsync(Open("late", new RateLimitWindow(10, Minute)))).Remaining + 1);
    }

    [Fact]
    public async Task Clock_set_back_blocks_no_call_and_frees_no_permit()
    {
        // Simulates a last grant by a server whose clock was an hour ahead.
        var window = new RateLimitWindow(4, TimeSpan.FromMilliseconds(300));
        var first = Open("back", window);
        await first.AcquireAsync(1);
        var ahead = (DateTimeOffset.UtcNow.AddHours(1) - DateTimeOffset.UnixEpoch).TotalMicroseconds;
        await Raw.SortedSetAddAsync(LogOf(first, "back"), "1:3", Math.Round(ahead));

        var limiter = Open("back", window);
        var grants = new List<(DateTimeOffset, int)>();
        for (var i = 0; i < 200 && grants.Count < 12; i++)
        {
            if (await limiter.AcquireAsync(1) is { IsAllowed: true } decision) grants.Add((decision.DecidedAt, 1));
            await Task.Delay(5);
        }

        Assert.Equal(12, grants.Count);
        GrantOracle.AssertExact(grants, window);
    }

    [Fact]
    public async Task Every_key_has_a_TTL_and_expires_after_its_window()
    {
        var limiter = Open("{brief}*", new RateLimitWindow(2, TimeSpan.FromMilliseconds(200)));
        for (var i = 0; i < 3; i++) await limiter.AcquireAsync(1);
        var log = LogOf(limiter, "{brief}*");
        Assert.InRange((await Raw.KeyTimeToLiveAsync(log))!.Value, TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(10_202));
        await Task.Delay(TimeSpan.FromMilliseconds(10_500));
        Assert.False(await Raw.KeyExistsAsync(log));
        Assert.True((await limiter.AcquireAsync(2)).IsAllowed);
    }

    [Fact]
    public async Task Long_log_is_bounded_and_stays_exact()
    {
        var window = new RateLimitWindow(RateLimits.MaxLimit, TimeSpan.FromSeconds(4));
        var limiter = Open("long", window);
        var grants = new List<(DateTimeOffset, int)>();
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(3.5);
        for (var i = 0; DateTime.UtcNow < until; i++)
        {
            // Sequential, so that each is a separate call and entry.
            var decision = await limiter.AcquireAsync(1);
            grants.Add((decision.DecidedAt, 1));
            Assert.Equal(RateLimits.MaxLimit - i - 1, decision.Remaining);
        }

        var entries = await Raw.SortedSetLengthAsync(LogOf(limiter, "long"));
        Assert.InRange(entries, 1, RateLimiting.Windows.DenseFrom + 1002);
        Assert.InRange(limiter.Counters.Bytes, 1, 16 * 4 * RateLimiting.Windows.DenseFrom);
        Assert.Equal(RateLimits.MaxLimit - grants.Count - 1, (await Open("long", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Denials_need_no_Redis_until_a_permit_is_free()
    {
        var limiter = Open("full", new RateLimitWindow(5, TimeSpan.FromSeconds(30)));
        await limiter.AcquireAsync(5);
        var calls = limiter.Counters.ScriptCalls;
        for (var i = 0; i < 1000; i++) Assert.False((await limiter.AcquireAsync(1)).IsAllowed);
        Assert.InRange(limiter.Counters.ScriptCalls - calls, 0, 2);
    }

    [Fact]
    public async Task Waiting_calls_are_granted_in_arrival_order_whatever_their_weight()
    {
        var window = new RateLimitWindow(6, TimeSpan.FromMilliseconds(150));
        var limiter = Open("line", window);
        await limiter.AcquireAsync(6);
        var random = new Random(1);
        var waiting = Enumerable.Range(0, 40).Select(_ => random.Next(1, 6)).Select(permits => (permits, limiter.AcquireAsync(permits, maxWait: RateLimits.MaxWait))).ToList();
        var decided = new List<(DateTimeOffset At, int Permits)>();
        foreach (var (permits, decision) in waiting)
        {
            Assert.True((await decision).IsAllowed);
            decided.Add(((await decision).DecidedAt, permits));
        }

        Assert.Equal(decided.Select(each => each.At).Order(), decided.Select(each => each.At));
        GrantOracle.AssertExact(decided, window);
        Assert.Equal(0, limiter.Counters.Waiting);
    }

    [Fact]
    public async Task Call_that_would_wait_too_long_is_denied_and_a_cancelled_call_makes_room()
    {
        var limiter = Open("patience", new RateLimitWindow(1, TimeSpan.FromSeconds(1)));
        var first = await limiter.AcquireAsync(1);
        using var givesUp = new CancellationTokenSource();
        var impatient = limiter.AcquireAsync(1, maxWait: RateLimits.MaxWait, cancellationToken: givesUp.Token);
        var third = limiter.AcquireAsync(1, maxWait: TimeSpan.FromSeconds(1.5));
        Assert.False((await third).IsAllowed);
        Assert.InRange((await third).RetryAfter, TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(2));

        var behind = limiter.AcquireAsync(1, maxWait: RateLimits.MaxWait);
        await givesUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        Assert.InRange((await behind).DecidedAt - first.DecidedAt, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.9));
    }

    [Fact]
    public async Task Refund_applies_to_all_later_calls()
    {
        var limiter = Open("refund", new RateLimitWindow(10, Minute / 4));
        await limiter.AcquireAsync(2);
        var named = await limiter.AcquireAsync(5, name: "5:p:x");
        await limiter.AcquireAsync(3);
        var waiting = limiter.AcquireAsync(4, maxWait: RateLimits.MaxWait);
        var at = (long)(named.DecidedAt - DateTimeOffset.UnixEpoch).TotalMicroseconds;
        Assert.Equal(5, await limiter.RunAsync(() => limiter.Limiter.RefundAsync("5:p:x", 5, at)));
        Assert.Equal(1, (await waiting).Remaining);
        Assert.Empty(await limiter.Logs.NamedGrantsAsync("refund"));
        Assert.Equal(0, (await Open("refund", new RateLimitWindow(10, Minute / 4)).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Changed_windows_count_earlier_grants()
    {
        var limiter = Open("change", new RateLimitWindow(10, TimeSpan.FromSeconds(2)));
        await limiter.AcquireAsync(8);
        limiter.Limiter.Policy = PolicyOf(new RateLimitWindow(5, Minute));
        Assert.False((await limiter.AcquireAsync(1)).IsAllowed);
        limiter.Limiter.Policy = PolicyOf(new RateLimitWindow(9, Minute));
        Assert.Equal(0, (await limiter.AcquireAsync(1)).Remaining);
    }

    private static Task<RateLimitDecision> PeekAsync(LimiterActor limiter) => limiter.RunAsync(() => limiter.Limiter.PeekAsync(1));
}
