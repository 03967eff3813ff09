using System.Runtime.CompilerServices;
using Actors.Fixtures;

namespace Actors.Contracts;

/// <summary>Everything that a client can make grow is bounded and counted, and so is every script.</summary>
public abstract partial class LimiterContract
{
    private const int Part = RateLimiting.RedisGrantLogStore.MaxEntries;

    [Fact]
    public async Task Log_of_many_parts_is_restored_completely()
    {
        var window = new RateLimitWindow(RateLimits.MaxLimit, 5 * Minute);
        var limiter = Open("parts", window);
        for (var i = 0; i < (2 * Part) + 50; i++) await limiter.AcquireAsync(i % 3 + 1);
        var before = await PeekAsync(limiter);
        await Raw.KeyDeleteAsync(LogOf(limiter, "parts"));
        Assert.Equal(before.Remaining - 2, (await limiter.AcquireAsync(3)).Remaining);
        var entries = await Raw.SortedSetRangeByRankAsync(LogOf(limiter, "parts"));
        Assert.Equal((2 * Part) + 52, entries.Length);

        // Each counts the earlier grants.
        Assert.Equal(before.Remaining - 3, (await Open("parts", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Many_calls_with_ids_are_decided_by_scripts_of_bounded_size()
    {
        var limiter = Open("runs", new RateLimitWindow(RateLimits.MaxLimit, Minute));
        var calls = new List<Task<RateLimitDecision[]>>();
        await limiter.RunAsync(() =>
        {
            // The first is decided alone; the others arrive meanwhile.
            for (var i = 0; i < 4 * Part; i++) calls.Add(limiter.Limiter.AcquireAsync(1, 1, $"1:p:{i}", TimeSpan.Zero, CancellationToken.None));
            return Task.CompletedTask;
        });
        Assert.All(await Task.WhenAll(calls), decisions => Assert.True(decisions[0].IsAllowed));
        Assert.InRange(limiter.Counters.ScriptCalls, 5, 4 * Part);
        Assert.Equal(RateLimits.MaxLimit - (4 * Part) - 1, (await limiter.AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task At_most_ten_thousand_calls_of_a_client_are_pending()
    {
        var limiter = Open("crowd", new RateLimitWindow(RateLimits.MaxLimit, Minute));
        var calls = new List<Task<RateLimitDecision[]>>();
        await limiter.RunAsync(() =>
        {
            Assert.Throws<OverloadedException>(() =>
            {
                while (calls.Count < 20_000)
                {
                    limiter.Limiter.Check(1);
                    calls.Add(limiter.Limiter.AcquireAsync(1, 1, null, TimeSpan.Zero, CancellationToken.None));
                }
            });
            return Task.CompletedTask;
        });
        Assert.Equal(10_001, calls.Count);
        Assert.All(await Task.WhenAll(calls), decisions => Assert.True(decisions[0].IsAllowed));
    }

    [Fact]
    public async Task Acquire_and_refund_without_Redis_leave_nothing_in_memory()
    {
        var limiter = Open("cycles", new RateLimitWindow(10, 5 * Minute));
        var earlier = await limiter.AcquireAsync(1, name: "1:p:earlier");
        var bytes = limiter.Counters.Bytes;
        _redis.Isolate("a test");
        for (var i = 0; i < 30_000; i++)
        {
            var decision = await limiter.AcquireAsync(1, name: $"1:p:{i}");
            Assert.Equal(1, await RefundAsync(limiter, $"1:p:{i}", 1, decision));
        }

        Assert.InRange(limiter.Counters.Bytes, bytes, bytes + 10_000);
        Assert.Equal(1, await RefundAsync(limiter, "1:p:earlier", 1, earlier));
        _redis.Close("a test");
        await Eventually.IsTrueAsync(() => Task.FromResult(limiter.Counters.Unsynced == 0));
        Assert.Empty(await limiter.Logs.NamedGrantsAsync("cycles"));
        Assert.Equal(9, (await limiter.AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Request_ids_and_waiting_calls_count_against_the_ceiling_until_removed()
    {
        var limiter = Open("counted", new RateLimitWindow(1000, TimeSpan.FromSeconds(2)));
        await limiter.AcquireAsync(900);
        var bytes = limiter.Counters.Bytes;
        _redis.Isolate("a test");
        for (var i = 0; i < 100; i++) await limiter.AcquireAsync(1, name: $"1:p:{i}");
        Assert.InRange(limiter.Counters.Bytes, bytes + (100 * 100), bytes + (100 * 400));
        var waiting = Enumerable.Range(0, 50).Select(_ => limiter.AcquireAsync(1, maxWait: RateLimits.MaxWait)).ToList();
        await PeekAsync(limiter);
        Assert.InRange(limiter.Counters.Bytes, bytes + (50 * 1000), long.MaxValue);
        _redis.Close("a test");
        await Task.WhenAll(waiting);
        await Eventually.IsTrueAsync(() => Task.FromResult(limiter.Counters.Unsynced == 0));
        await limiter.RunAsync(limiter.Limiter.CloseAsync);
        Assert.Equal(0, limiter.Counters.Bytes);
    }

    [Fact]
    public async Task Limiter_deactivated_without_Redis_leaves_memory()
    {
        _redis.Isolate("a test");
        var (ended, counters) = await EndAsync();
        for (var i = 0; i < 50 && ended.Any(limiter => limiter.IsAlive); i++)
        {
            await Task.Delay(50);
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.DoesNotContain(ended, limiter => limiter.IsAlive);
        Assert.All(counters, each => Assert.Equal((0, 0), (each.Bytes, each.Unsynced)));
    }

    [Fact]
    public async Task Grants_without_Redis_are_handed_off_and_stored_by_the_next_activation_without_a_call()
    {
        var window = new RateLimitWindow(5, 5 * Minute);
        var first = Open("handed", window);
        await first.AcquireAsync(1, name: "1:p:before");
        _redis.Isolate("a test");
        for (var i = 0; i < 2; i++) await first.AcquireAsync(1, name: $"1:p:{i}");
        await first.RunAsync(first.Limiter.CloseAsync);

        var second = Open("handed", window);
        _redis.Close("a test");
        await second.Logs.ReadClockAsync();
        _redis.Isolate("a test");
        await second.RunAsync(() => second.Limiter.TakeOverAsync(first.Limiter.HandOff(isAll: true)));
        _redis.Close("a test");
        await second.RunAsync(second.Limiter.CloseAsync);
        Assert.Equal(["before", "0", "1"], (await second.Logs.NamedGrantsAsync("handed")).Select(grant => grant.RequestId));
        Assert.Equal(1, (await Open("handed", window).AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Handoff_already_in_Redis_counts_once()
    {
        var window = new RateLimitWindow(5, 5 * Minute);
        var first = Open("twice", window);
        await first.AcquireAsync(2);
        var second = Open("twice", window);
        await second.Logs.ReadClockAsync();
        await second.RunAsync(() => second.Limiter.TakeOverAsync(first.Limiter.HandOff(isAll: true)));
        Assert.Equal(2, (await second.AcquireAsync(1)).Remaining);

        // Also by an activation that owns the log.
        await second.RunAsync(() => second.Limiter.TakeOverAsync(second.Limiter.HandOff(isAll: true)));
        Assert.Equal(1, (await second.AcquireAsync(1)).Remaining);
    }

    [Fact]
    public async Task Handoff_to_an_estimated_clock_creates_no_second_budget()
    {
        var window = new RateLimitWindow(5, 5 * Minute);
        var first = Open("guesses", window);
        await first.AcquireAsync(2);
        _redis.Isolate("a test");
        await first.AcquireAsync(1);
        await first.RunAsync(first.Limiter.CloseAsync);

        // It does not know the time of Redis yet.
        var second = Open("guesses", window);
        await second.RunAsync(() => second.Limiter.TakeOverAsync(first.Limiter.HandOff(isAll: true)));
        Assert.Equal(1, (await second.AcquireAsync(1)).Remaining);
        _redis.Close("a test");
        await Eventually.IsTrueAsync(() => Task.FromResult(second.Counters.Unsynced == 0));
        Assert.False((await second.AcquireAsync(2)).IsAllowed);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<(List<WeakReference> Ended, List<RateLimiting.LimiterCounters> Counters)> EndAsync()
    {
        var limiters = Enumerable.Range(0, 20).Select(i => Open($"ended-{i}", new RateLimitWindow(5, Minute))).ToList();
        foreach (var limiter in limiters) await limiter.AcquireAsync(1);
        await Task.WhenAll(limiters.Select(limiter => limiter.RunAsync(limiter.Limiter.CloseAsync)));
        return ([.. limiters.Select(limiter => new WeakReference(limiter.Limiter))], [.. limiters.Select(limiter => limiter.Counters)]);
    }
}
