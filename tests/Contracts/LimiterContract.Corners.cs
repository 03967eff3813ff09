namespace Actors.Contracts;

/// <summary>Guarantees under concurrent operations.</summary>
public abstract partial class LimiterContract
{
    [Fact]
    public async Task Refund_of_an_expired_grant_frees_no_other_grant()
    {
        var window = new RateLimitWindow(5, TimeSpan.FromMilliseconds(400));
        var limiter = Open("aged", window);
        var named = await limiter.AcquireAsync(5, name: "5:p:x");
        await Task.Delay(TimeSpan.FromMilliseconds(450));
        Assert.True((await limiter.AcquireAsync(5)).IsAllowed);
        Assert.Equal(0, await RefundAsync(limiter, "5:p:x", 5, named));
        Assert.False((await limiter.AcquireAsync(5)).IsAllowed);
    }

    [Fact]
    public async Task Refund_after_a_reset_frees_no_other_grant()
    {
        var limiter = Open("emptied", new RateLimitWindow(5, Minute));
        var named = await limiter.AcquireAsync(5, name: "5:p:x");
        await limiter.RunAsync(limiter.Limiter.ResetAsync);
        Assert.True((await limiter.AcquireAsync(5)).IsAllowed);
        Assert.Equal(0, await RefundAsync(limiter, "5:p:x", 5, named));
        Assert.False((await limiter.AcquireAsync(1)).IsAllowed);
    }

    [Fact]
    public async Task Limiter_decides_further_calls_after_one_failed_before_it_was_sent()
    {
        var clock = new FailingClock();
        var limiter = Open("defect", PolicyOf(new RateLimitWindow(2, Minute)), clock);
        Assert.True((await limiter.AcquireAsync()).IsAllowed);

        // The first read of the clock is on arrival, the second when the call is processed.
        clock.FailAfter(1);
        var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => limiter.AcquireAsync().WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Contains("The clock failed", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, limiter.FailedCount);
        Assert.True((await limiter.AcquireAsync().WaitAsync(TimeSpan.FromSeconds(10))).IsAllowed);
        Assert.False((await limiter.AcquireAsync().WaitAsync(TimeSpan.FromSeconds(10))).IsAllowed);
    }

    [Fact]
    public async Task Call_repeated_at_once_after_a_failure_is_decided()
    {
        var clock = new FailingClock();
        var limiter = Open("repeated", PolicyOf(new RateLimitWindow(5, Minute)), clock);
        await limiter.AcquireAsync();
        var decided = Task.FromResult<RateLimitDecision[]>([]);
        await limiter.RunAsync(() =>
        {
            // The script of the first call is in flight when the second one arrives.
            _ = FirstAsync();
            decided = RepeatedAsync();
            return Task.CompletedTask;
        });
        Assert.True((await decided.WaitAsync(TimeSpan.FromSeconds(10)))[0].IsAllowed);
        Assert.Equal(1, limiter.FailedCount);

        async Task FirstAsync()
        {
            await AcquireAsync();

            // The next read of the clock belongs to this call, and the one after it to the next batch.
            clock.FailAfter(1);
        }

        async Task<RateLimitDecision[]> RepeatedAsync()
        {
            try
            {
                return await AcquireAsync();
            }
            catch (StorageUnavailableException)
            {
                return await AcquireAsync();
            }
        }

        Task<RateLimitDecision[]> AcquireAsync() => limiter.Limiter.AcquireAsync(1, 1, null, TimeSpan.Zero, CancellationToken.None);
    }

    [Fact]
    public async Task Waiting_call_is_redirected_even_while_a_script_is_in_flight()
    {
        var limiter = Open("closed", new RateLimitWindow(1, Minute / 4));
        await limiter.AcquireAsync(1);
        Task<RateLimitDecision[]>? waiting = null;
        await limiter.RunAsync(() =>
        {
            waiting = limiter.Limiter.AcquireAsync(1, 1, null, RateLimits.MaxWait, CancellationToken.None);
            return limiter.Limiter.CloseAsync();
        });
        await Assert.ThrowsAsync<LimiterMovedException>(() => waiting!.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal(0, limiter.Counters.Waiting);
    }

    [Fact]
    public async Task Due_call_is_either_granted_or_redirected()
    {
        var limiter = Open("closing", new RateLimitWindow(1, TimeSpan.FromSeconds(1)));
        await limiter.AcquireAsync(1);
        var waiting = limiter.AcquireAsync(1, maxWait: RateLimits.MaxWait);
        while (limiter.Counters.Waiting == 0) await Task.Delay(5);
        await limiter.RunAsync(() =>
        {
            // Its turn comes, and the script for its grant is in flight.
            Thread.Sleep(TimeSpan.FromSeconds(1.2));
            limiter.Limiter.Wake();
            return limiter.Limiter.CloseAsync();
        });
        Assert.True((await waiting.WaitAsync(TimeSpan.FromSeconds(10))).IsAllowed);
        Assert.Equal(0, limiter.Counters.Waiting);
    }

    [Fact]
    public async Task Log_restarted_by_an_earlier_owner_is_taken_over_again()
    {
        var (earlier, later) = (Open("two", new RateLimitWindow(5, TimeSpan.FromMilliseconds(100))), Open("two", new RateLimitWindow(5, TimeSpan.FromMilliseconds(100))));
        await earlier.AcquireAsync(1);
        await later.AcquireAsync(1);
        await Task.Delay(TimeSpan.FromMilliseconds(200));

        // Simulates an expired log.
        await Raw.KeyDeleteAsync(LogOf(later, "two"));

        // The earlier owner has not noticed, and its log lives longer.
        earlier.Limiter.Policy = PolicyOf(new RateLimitWindow(5, Minute));
        await earlier.AcquireAsync(1);
        await Task.Delay(TimeSpan.FromMilliseconds(150));
        for (var i = 0; i < 3; i++) Assert.True((await later.AcquireAsync(1)).IsAllowed);
        Assert.Single(await Raw.SortedSetRangeByScoreAsync(LogOf(later, "two"), double.PositiveInfinity));
    }

    [Fact]
    public async Task Call_is_either_cancelled_or_charged()
    {
        var limiter = Open("cancelled", new RateLimitWindow(10, Minute));
        using var givesUp = new CancellationTokenSource();
        var (decided, arrived) = (Task.FromResult<RateLimitDecision[]>([]), Task.FromResult<RateLimitDecision[]>([]));
        await limiter.RunAsync(() =>
        {
            // The script of the first call is in flight; the second call joins the next batch.
            decided = limiter.Limiter.AcquireAsync(1, 2, "2:p:x", RateLimits.MaxWait, givesUp.Token);
            arrived = limiter.Limiter.AcquireAsync(1, 3, "3:p:y", RateLimits.MaxWait, givesUp.Token);
            givesUp.Cancel();
            return Task.CompletedTask;
        });
        Assert.True((await decided)[0].IsAllowed);

        // On a busy machine Redis may have answered the first call before the cancellation, so the second one is in flight too.
        var isCharged = await Task.WhenAny(arrived) is { IsCompletedSuccessfully: true };
        Assert.Equal(!isCharged, arrived.IsCanceled);
        Assert.Equal(isCharged ? 4 : 7, (await limiter.AcquireAsync(1)).Remaining);
        Assert.Equal(isCharged ? ["x", "y"] : ["x"], (await limiter.Logs.NamedGrantsAsync("cancelled")).Select(each => each.RequestId));
    }

    [Theory]
    [InlineData(RedisDownBehavior.Allow)]
    [InlineData(RedisDownBehavior.Deny)]
    public async Task Local_operations_run_ahead_of_waiting_calls(RedisDownBehavior behavior)
    {
        var limiter = Open("down", PolicyOf(new RateLimitWindow(1, Minute / 4)) with { OnRedisDown = behavior });
        await limiter.AcquireAsync(1);
        var waiting = limiter.AcquireAsync(1, maxWait: RateLimits.MaxWait);
        await PeekAsync(limiter);
        while (limiter.Counters.Waiting == 0) await Task.Delay(5);
        _redis.Isolate("a test");
        var decision = await limiter.AcquireAsync(1);
        Assert.Equal((behavior == RedisDownBehavior.Allow, RateLimitSource.Local), (decision.IsAllowed, decision.Source));
        Assert.Equal(behavior == RedisDownBehavior.Allow, (await waiting.WaitAsync(TimeSpan.FromSeconds(5))).IsAllowed);
    }

    [Fact]
    public async Task Outage_does_not_change_how_many_request_ids_are_kept()
    {
        var limiter = Open("names", new RateLimitWindow(RateLimits.MaxLimit, Minute));
        await limiter.AcquireAsync(1);
        _redis.Isolate("a test");
        for (var i = 0; i < 3 * RateLimits.RememberedRequests; i++) await limiter.AcquireAsync(1, name: $"1:p:{i}");
        _redis.Close("a test");
        while (limiter.Counters.Unsynced > 0) await limiter.AcquireAsync(1);
        var names = await limiter.Logs.NamedGrantsAsync("names");
        Assert.InRange(names.Count, RateLimits.RememberedRequests, 2 * RateLimits.RememberedRequests);
        Assert.Equal($"{(3 * RateLimits.RememberedRequests) - 1}", names[^1].RequestId);
    }

    [Fact]
    public async Task Grant_by_an_estimated_time_never_counts_from_an_earlier_time()
    {
        _redis.Isolate("a test");
        var clock = new LateClock();
        var limiter = Open("guessed", PolicyOf(new RateLimitWindow(10, Minute)), clock);
        var before = (TimeSpan)(DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch);
        Assert.Equal(RateLimitSource.Local, (await limiter.AcquireAsync(1)).Source);
        _redis.Close("a test");
        clock.IsLate = true;
        Assert.Equal(8, (await limiter.AcquireAsync(1)).Remaining);
        var first = (await Raw.SortedSetRangeByRankWithScoresAsync(LogOf(limiter, "guessed")))[0];
        Assert.True(first.Score >= before.TotalMicroseconds - 1, $"{before.TotalMicroseconds - first.Score} µs too early");
    }

    [Fact]
    public async Task Write_back_is_retried_after_any_interruption()
    {
        var limiter = Open("again", new RateLimitWindow(10, Minute));
        await limiter.AcquireAsync(1);
        _redis.Isolate("a test");
        await limiter.AcquireAsync(1);
        await Raw.StringSetAsync(LogOf(limiter, "again"), "no log");
        _redis.Close("a test");
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.Equal(1, limiter.Counters.Unsynced);
        await Raw.KeyDeleteAsync(LogOf(limiter, "again"));
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(20);
        while (limiter.Counters.Unsynced > 0 && DateTime.UtcNow < until) await Task.Delay(20);
        Assert.Equal(0, limiter.Counters.Unsynced);
    }

    private static Task<int> RefundAsync(LimiterActor limiter, string name, int permits, RateLimitDecision granted) =>
        limiter.RunAsync(() => limiter.Limiter.RefundAsync(name, permits, (granted.DecidedAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond));

    /// <summary>A clock that simulates a delayed thread.</summary>
    private sealed class LateClock : TimeProvider
    {
        public bool IsLate { get; set; }

        public override long GetTimestamp()
        {
            if (IsLate) Thread.Sleep(30);
            return base.GetTimestamp();
        }
    }
}
