using Actors.Fixtures;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Features and pitfalls known from other limiters.</summary>
[Collection(LimiterCollection.Name)]
public sealed class PitfallTests(LimiterCluster cluster)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Long = RateLimits.MaxWait;

    [Fact]
    public async Task Several_windows_are_charged_atomically()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(5, Second), Per(8, Hour));
        Assert.True((await limiter.AcquireAsync(new() { Permits = 5 })).IsAllowed);

        // The short window denies, so the long one is not charged.
        var denied = await limiter.AcquireAsync(new() { Permits = 2 });
        Assert.Equal((false, 5), (denied.IsAllowed, denied.Limit));
        Assert.Equal([5, 8], denied.Windows.Select(window => window.Limit));
        Assert.InRange(denied.RetryAfter, TimeSpan.FromTicks(1), Second);

        // Three permits are left in the long window, which denies, so the short one is not charged.
        await Eventually.IsTrueAsync(async () => (await limiter.PeekAsync()).IsAllowed);
        for (var i = 0; i < 20; i++)
        {
            var byLong = await limiter.AcquireAsync(new() { Permits = 4 });
            Assert.Equal((false, 8, 3), (byLong.IsAllowed, byLong.Limit, byLong.Remaining));
        }
        var granted = await limiter.AcquireAsync(new() { Permits = 3 });
        Assert.Equal((true, 0, 8), (granted.IsAllowed, granted.Remaining, granted.Limit));

        // A charge for the denied calls would leave nothing of the short window.
        await limiter.SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = [Per(5, Second), Per(100, Hour)] });
        Assert.True((await GrantedAsync(limiter, permits: 2)).IsAllowed);
    }

    [Fact]
    public async Task Repeated_request_id_is_charged_once()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, Hour));
        RateLimitRequest request = new() { Permits = 3, RequestId = "once" };
        var first = await limiter.AcquireAsync(request);
        var again = await limiter.AcquireAsync(request);
        Assert.Equal((true, first.DecidedAt), (again.IsAllowed, again.DecidedAt));

        var concurrent = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => limiter.AcquireAsync(request with { RequestId = "at once" })));
        Assert.All(concurrent, decision => Assert.Equal((true, concurrent[0].DecidedAt), (decision.IsAllowed, decision.DecidedAt)));
        var batch = await limiter.AcquireManyAsync([request, request with { RequestId = "at once" }, request]);
        Assert.All(batch, decision => Assert.True(decision.IsAllowed));
        await HasLeftAsync(limiter, 4);

        // Another activation, which knows the grant only from Redis, does not charge it again either.
        await TestCluster.DeactivateAsync(limiter);
        var later = await limiter.AcquireAsync(request);
        Assert.Equal((true, first.DecidedAt), (later.IsAllowed, later.DecidedAt));
        await HasLeftAsync(limiter, 4);
    }

    [Fact]
    public async Task Denied_request_may_be_granted_on_retry()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(1, TimeSpan.FromMilliseconds(300)));
        await limiter.AcquireAsync(new());
        RateLimitRequest request = new() { RequestId = "again" };
        Assert.False((await limiter.AcquireAsync(request)).IsAllowed);
        await Eventually.IsTrueAsync(async () => (await limiter.AcquireAsync(request)).IsAllowed);
    }

    [Fact]
    public async Task Waiting_calls_are_granted_in_order()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(2, TimeSpan.FromMilliseconds(300)));
        await limiter.AcquireAsync(new() { Permits = 2 });
        var waiting = new List<Task<RateLimitDecision>>();
        foreach (var permits in (int[])[1, 2, 1, 1, 2, 1])
        {
            waiting.Add(limiter.AcquireAsync(new() { Permits = permits, MaxWait = Long }));

            // The response to this peek shows that the call before it has arrived.
            await limiter.PeekAsync();
        }

        var passing = new List<RateLimitDecision>();
        while (!waiting[^1].IsCompleted) passing.Add(await limiter.AcquireAsync(new()));
        var decisions = await Task.WhenAll(waiting);
        Assert.DoesNotContain(passing, decision => decision.IsAllowed && decision.DecidedAt < decisions[^1].DecidedAt);
        Assert.All(decisions, decision => Assert.True(decision.IsAllowed));
        Assert.Equal(decisions.Select(decision => decision.DecidedAt).Order(), decisions.Select(decision => decision.DecidedAt));
    }

    [Fact]
    public async Task Call_is_denied_at_once_if_its_turn_comes_too_late()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(1, Hour));
        await limiter.AcquireAsync(new());
        var began = TimeProvider.System.GetTimestamp();
        var denied = await limiter.AcquireAsync(new() { MaxWait = Long });
        Assert.False(denied.IsAllowed);
        Assert.True(TimeProvider.System.GetElapsedTime(began) < Long / 2);
    }

    [Fact]
    public async Task Refund_frees_a_grant_once_and_wakes_waiting_calls()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, TimeSpan.FromSeconds(15)));
        await limiter.AcquireAsync(new() { Permits = 8, RequestId = "back" });
        await limiter.AcquireAsync(new() { Permits = 2, RequestId = "stays" });
        var waiting = limiter.AcquireAsync(new() { Permits = 6, MaxWait = Long });
        await limiter.PeekAsync();
        Assert.False(waiting.IsCompleted);

        Assert.Equal(8, await limiter.RefundAsync("back"));
        Assert.True((await waiting.WaitAsync(Long / 2)).IsAllowed);
        Assert.Equal(0, await limiter.RefundAsync("back"));
        Assert.Equal(0, await limiter.RefundAsync("never"));
        await HasLeftAsync(limiter, 2);

        // A refund forgets the id: the same id is then a new request.
        Assert.True((await limiter.AcquireAsync(new() { Permits = 2, RequestId = "back" })).IsAllowed);
        await HasLeftAsync(limiter, 0);
        await TestCluster.DeactivateAsync(limiter);
        await HasLeftAsync(limiter, 0);
        Assert.Equal(2, await limiter.RefundAsync("stays"));
        await HasLeftAsync(limiter, 2);
    }

    [Fact]
    public async Task Refund_of_an_expired_grant_frees_nothing()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(3, TimeSpan.FromMilliseconds(100)));
        await limiter.AcquireAsync(new() { Permits = 3, RequestId = "old" });
        await Eventually.IsTrueAsync(async () => (await limiter.PeekAsync(permits: 3)).IsAllowed);
        Assert.Equal(0, await limiter.RefundAsync("old"));
    }

    [Fact]
    public async Task Reset_frees_all_permits_and_wakes_waiting_calls()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(3, TimeSpan.FromSeconds(15)));
        await limiter.AcquireAsync(new() { Permits = 3 });
        var waiting = limiter.AcquireAsync(new() { MaxWait = Long });
        await limiter.PeekAsync();
        await limiter.ResetAsync();
        Assert.True((await waiting.WaitAsync(Long / 2)).IsAllowed);
        await HasLeftAsync(limiter, 2);
        await TestCluster.DeactivateAsync(limiter);
        await HasLeftAsync(limiter, 2);
    }

    [Fact]
    public async Task Changed_policy_applies_at_once_and_keeps_usage()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, Hour));
        await limiter.AcquireAsync(new() { Permits = 6 });
        await SetAsync(Per(8, Hour));
        await HasLeftAsync(limiter, 2);
        await SetAsync(Per(5, Hour));
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);

        // A higher limit discards cached denials, and waiting calls do not wait for the old limit.
        await SetAsync(Per(5, TimeSpan.FromSeconds(15)));
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);
        var waiting = limiter.AcquireAsync(new() { MaxWait = Long });
        await limiter.PeekAsync();
        await SetAsync(Per(20, Hour));
        Assert.True((await waiting.WaitAsync(Long / 2)).IsAllowed);
        await HasLeftAsync(limiter, 13);

        // A longer window counts every grant that is still known; a shorter one forgets the older grants.
        await SetAsync(Per(20, TimeSpan.FromMilliseconds(1)));
        await Eventually.IsTrueAsync(async () => (await limiter.PeekAsync(permits: 20)).IsAllowed);
        Assert.Equal(20, (await limiter.GetPolicyAsync()).Windows[0].Limit);
        Assert.True(await limiter.RemovePolicyAsync(RateLimits.DefaultPolicy));
        Assert.False(await limiter.RemovePolicyAsync(RateLimits.DefaultPolicy));
        Assert.Equal(Per(100, Second), (await limiter.GetPolicyAsync()).Windows[0]);

        Task SetAsync(RateLimitWindow window) => limiter.SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = [window] });
    }

    [Fact]
    public async Task Own_policy_of_a_client_outlives_the_activation()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(3, Hour));
        await limiter.AcquireAsync(new());
        await TestCluster.DeactivateAsync(limiter);
        Assert.Equal(3, (await limiter.GetPolicyAsync()).Windows[0].Limit);
        await HasLeftAsync(limiter, 2);
    }

    [Fact]
    public async Task Shadow_mode_grants_all_reports_denials_and_charges_only_what_fits()
    {
        var (limiter, client) = await cluster.LimitedAsync(new RateLimitPolicy { Name = RateLimits.DefaultPolicy, Windows = [Per(3, Hour)], IsShadow = true });
        var decisions = new List<RateLimitDecision>();
        for (var i = 0; i < 6; i++) decisions.Add(await limiter.AcquireAsync(new()));
        Assert.All(decisions, decision => Assert.True(decision.IsAllowed));
        Assert.Equal([false, false, false, true, true, true], decisions.Select(decision => decision.IsShadowDenial));
        Assert.Equal(3, (await cluster.LoggedTimesAsync(client)).Count);
    }

    [Theory]
    [InlineData("{a}{b}")]
    [InlineData("}{")]
    [InlineData("*?[a-z]\\")]
    [InlineData("a:log:default:b")]
    [InlineData("😀 ünï")]
    [InlineData(" ")]
    [InlineData("a\r\nDEL *")]
    public async Task Any_text_is_a_valid_client_id(string text)
    {
        var id = text + Guid.NewGuid().ToString("n");
        var limiter = cluster.Cluster.Limiter(id);
        await limiter.SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = [Per(2, Hour)] });
        Assert.True((await limiter.AcquireAsync(new() { RequestId = text })).IsAllowed);
        await TestCluster.DeactivateAsync(limiter);
        Assert.True((await limiter.AcquireAsync(new() { RequestId = text })).IsAllowed);
        Assert.True((await limiter.AcquireAsync(new())).IsAllowed);
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);
        Assert.Equal(1, await limiter.RefundAsync(text));
    }

    [Fact]
    public async Task Similar_client_ids_have_separate_limits()
    {
        var id = AnyClient();
        foreach (var client in (string[])[id, id + "*", "*" + id, "{" + id + "}", id + ":requests", id + " "])
        {
            var limiter = cluster.Cluster.Limiter(client);
            await limiter.SetPolicyAsync(new() { Name = "own", Windows = [Per(1, Hour)] });
            Assert.True((await limiter.AcquireAsync(new() { Policy = "own", RequestId = "same" })).IsAllowed);
            Assert.False((await limiter.AcquireAsync(new() { Policy = "own" })).IsAllowed);
        }
    }

    [Fact]
    public async Task Invalid_client_ids_are_rejected_and_leave_no_keys()
    {
        foreach (var id in (string[])[new('x', RateLimits.MaxIdBytes + 1), new('x', 10 * 1024), "a\0b"])
        {
            var limiter = cluster.Cluster.Limiter(id);
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireAsync(new()));
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync([new()]));
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.PeekAsync());
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.SetPolicyAsync(new() { Name = "own", Windows = [Per(1, Hour)] }));
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.GetPolicyAsync());
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.RefundAsync("x"));
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.ResetAsync());
        }
        Assert.Empty(await cluster.KeysAsync(new string('x', RateLimits.MaxIdBytes)));
        Assert.True((await cluster.Cluster.Limiter(new('y', RateLimits.MaxIdBytes)).AcquireAsync(new())).IsAllowed);
    }

    [Fact]
    public async Task Invalid_requests_are_rejected_with_a_message_and_charge_nothing()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, Hour));
        RateLimitRequest[] wrong =
        [
            new() { Policy = "unknown" }, new() { Policy = "" }, new() { Policy = "a:b" }, new() { Policy = "*" },
            new() { Permits = 0 }, new() { Permits = -1 }, new() { Permits = int.MinValue }, new() { Permits = 11 }, new() { Permits = int.MaxValue },
            new() { RequestId = "" }, new() { RequestId = new('r', RateLimits.MaxRequestIdBytes + 1) }, new() { RequestId = "a\0" },
            new() { MaxWait = TimeSpan.FromTicks(-1) }, new() { MaxWait = RateLimits.MaxWait + TimeSpan.FromTicks(1) },
        ];
        foreach (var request in wrong)
        {
            var error = await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireAsync(request));
            Assert.True(error.Message.Length > 20, error.Message);

            // One invalid request rejects the whole batch.
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync([new(), request, new()]));
        }
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync([]));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync([.. Enumerable.Repeat(new RateLimitRequest(), RateLimits.MaxBatch + 1)]));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync([new() { MaxWait = Second }]));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.PeekAsync("unknown"));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.PeekAsync(permits: 11));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.ResetAsync("unknown"));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.GetPolicyAsync("unknown"));
        foreach (var windows in (RateLimitWindow[][])[[], [Per(0, Second)], [Per(-1, Second)], [Per(1, TimeSpan.Zero)], [Per(1, Second), Per(2, Second)]])
            await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = windows }));
        await HasLeftAsync(limiter, 10);
    }

    [Fact]
    public async Task Cancelled_waiting_call_leaves_its_place_to_others()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(2, TimeSpan.FromMilliseconds(600)));
        await limiter.AcquireAsync(new() { Permits = 2 });
        using var cancel = new CancellationTokenSource();
        var givenUp = limiter.AcquireAsync(new() { Permits = 2, MaxWait = Long }, cancel.Token);
        await limiter.PeekAsync();
        var behind = limiter.AcquireAsync(new() { Permits = 2, MaxWait = Long });
        await limiter.PeekAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => givenUp);
        Assert.True((await behind.WaitAsync(Long)).IsAllowed);
    }

    /// <summary>Asserts that the limiter has exactly this many permits left.</summary>
    private static async Task HasLeftAsync(IRateLimiterGrain limiter, int permits)
    {
        if (permits > 0) Assert.True((await limiter.PeekAsync(permits: permits)).IsAllowed);
        Assert.True(
            permits == (await limiter.GetPolicyAsync()).Windows.Min(window => window.Limit) || !(await limiter.PeekAsync(permits: permits + 1)).IsAllowed);
    }
}
