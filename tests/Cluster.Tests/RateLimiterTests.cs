namespace Actors.Cluster.Tests;

/// <summary>The contract of a limiter, over real silos and a real Redis.</summary>
public sealed class RateLimiterTests(ServersFixture servers) : IAsyncLifetime
{
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await TestCluster.StartAsync(servers, silos: 2);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Limiter_grants_the_limit_and_reports_remaining_permits_and_retry_after()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(3, TimeSpan.FromSeconds(20)));
        var decisions = new List<RateLimitDecision>();
        for (var i = 0; i < 4; i++) decisions.Add(await limiter.AcquireAsync(new() { Policy = "p" }));

        Assert.Equal([true, true, true, false], decisions.Select(each => each.IsAllowed));
        Assert.Equal([2, 1, 0, 0], decisions.Select(each => each.Remaining));
        Assert.All(decisions, each => Assert.Equal(RateLimitSource.Redis, each.Source));
        Assert.All(decisions, each => Assert.Equal(3, each.Limit));
        var free = decisions[0].DecidedAt + TimeSpan.FromSeconds(20);
        Assert.True((decisions[3].DecidedAt + decisions[3].RetryAfter - free).Duration() < TimeSpan.FromMilliseconds(5));
        Assert.Equal(decisions[2].DecidedAt + TimeSpan.FromSeconds(20), decisions[3].DecidedAt + decisions[3].ResetAfter, TimeSpan.FromMilliseconds(5));
    }

    [Fact]
    public async Task Concurrent_calls_of_random_weight_are_granted_up_to_the_limit()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(1000, TimeSpan.FromSeconds(30)));
        var decisions = await Task.WhenAll(Enumerable.Range(0, 1000).Select(async i =>
            (Permits: 1 + (i % 7), Decision: await limiter.AcquireAsync(new() { Policy = "p", Permits = 1 + (i % 7) }))));
        Assert.Equal(1000, decisions.Where(each => each.Decision.IsAllowed).Sum(each => each.Permits));
    }

    [Fact]
    public async Task Waiting_calls_are_granted_in_order_as_permits_come_free()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(2, TimeSpan.FromMilliseconds(400)));
        await limiter.AcquireAsync(new() { Policy = "p", Permits = 2 });
        var waiting = new List<Task<RateLimitDecision>>();
        for (var i = 0; i < 5; i++)
        {
            waiting.Add(limiter.AcquireAsync(new() { Policy = "p", MaxWait = TimeSpan.FromSeconds(20) }));
            await limiter.PeekAsync("p");
        }

        // A call never overtakes waiting calls, even if a permit is free just then.
        Assert.False((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        var decisions = await Task.WhenAll(waiting);
        Assert.All(decisions, each => Assert.True(each.IsAllowed));
        Assert.Equal(decisions.Select(each => each.DecidedAt).Order(), decisions.Select(each => each.DecidedAt));
        Assert.True(decisions[4].DecidedAt - decisions[0].DecidedAt >= TimeSpan.FromMilliseconds(800));
    }

    [Fact]
    public async Task Repeated_request_id_is_charged_once_across_activations()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(10, TimeSpan.FromMinutes(1)));
        var request = new RateLimitRequest { Policy = "p", Permits = 3, RequestId = "order:7" };
        var first = await limiter.AcquireAsync(request);
        Assert.Equal(7, first.Remaining);
        Assert.Equal(7, (await limiter.AcquireAsync(request)).Remaining);
        await TestCluster.DeactivateAsync(limiter);
        var repeated = await limiter.AcquireAsync(request);
        Assert.True(repeated.IsAllowed);
        Assert.Equal(7, repeated.Remaining);

        Assert.Equal(3, await limiter.RefundAsync("order:7"));
        Assert.Equal(0, await limiter.RefundAsync("order:7"));
        Assert.Equal(9, (await limiter.PeekAsync("p")).Remaining);
    }

    [Fact]
    public async Task Reset_clears_usage_and_a_policy_change_keeps_it()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(5, TimeSpan.FromMinutes(1)));
        for (var i = 0; i < 5; i++) Assert.True((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        Assert.False((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        await limiter.SetPolicyAsync(new() { Name = "p", Windows = [new(7, TimeSpan.FromMinutes(1))] });
        Assert.Equal(1, (await limiter.AcquireAsync(new() { Policy = "p" })).Remaining);
        await limiter.ResetAsync("p");
        Assert.Equal(6, (await limiter.AcquireAsync(new() { Policy = "p" })).Remaining);

        await TestCluster.DeactivateAsync(limiter);
        Assert.Equal(7, (await limiter.GetPolicyAsync("p")).Windows[0].Limit);
        Assert.Equal(5, (await limiter.AcquireAsync(new() { Policy = "p" })).Remaining);
        Assert.True(await limiter.RemovePolicyAsync("p"));
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireAsync(new() { Policy = "p" }));
    }

    [Fact]
    public async Task Retry_of_a_waiting_request_survives_cancellation_of_the_first_call()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(1, TimeSpan.FromSeconds(3)));
        await limiter.AcquireAsync(new() { Policy = "p" });
        var request = new RateLimitRequest { Policy = "p", RequestId = "a", MaxWait = TimeSpan.FromSeconds(20) };
        using var givesUp = new CancellationTokenSource();
        var first = limiter.AcquireAsync(request, givesUp.Token);
        await limiter.PeekAsync("p");
        var second = limiter.AcquireAsync(request);
        await limiter.PeekAsync("p");
        await givesUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.True((await second).IsAllowed);
        Assert.Equal(1, await limiter.RefundAsync("a"));
    }

    [Fact]
    public async Task Request_id_of_a_different_request_is_rejected_while_that_request_waits()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(2, TimeSpan.FromSeconds(2)));
        await limiter.AcquireAsync(new() { Policy = "p", Permits = 2 });
        var first = limiter.AcquireAsync(new() { Policy = "p", RequestId = "a", MaxWait = TimeSpan.FromSeconds(20) });
        await limiter.PeekAsync("p");
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireAsync(new() { Policy = "p", Permits = 2, RequestId = "a" }));
        Assert.True((await first).IsAllowed);
    }

    [Fact]
    public async Task Batch_charges_nothing_if_one_request_reuses_the_id_of_another()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(10, TimeSpan.FromMinutes(1)));
        await limiter.AcquireAsync(new() { Policy = "p", RequestId = "a" });
        RateLimitRequest[][] wrong =
        [
            [new() { Policy = "p" }, new() { Policy = "p", Permits = 2, RequestId = "a" }],
            [new() { Policy = "p", RequestId = "b" }, new() { Policy = "p", Permits = 2, RequestId = "b" }],
        ];
        foreach (var requests in wrong) await Assert.ThrowsAsync<InvalidRateLimitException>(() => limiter.AcquireManyAsync(requests));
        Assert.Equal(8, (await limiter.PeekAsync("p")).Remaining);
    }

    [Fact]
    public async Task Policies_set_concurrently_are_all_stored()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(1, TimeSpan.FromMinutes(1)));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => limiter.SetPolicyAsync(new() { Name = $"p{i}", Windows = [new(i + 1, TimeSpan.FromMinutes(1))] })));
        await TestCluster.DeactivateAsync(limiter);
        for (var i = 0; i < 8; i++) Assert.Equal(i + 1, (await limiter.GetPolicyAsync($"p{i}")).Windows[0].Limit);
    }

    [Fact]
    public async Task Waiting_call_ends_when_its_silo_stops_and_does_not_delay_the_stop()
    {
        var waiting = new List<Task<RateLimitDecision>>();
        for (var i = 0; i < 20; i++)
        {
            var limiter = await LimiterAsync(new RateLimitWindow(1, TimeSpan.FromSeconds(19)));
            await limiter.AcquireAsync(new() { Policy = "p" });
            waiting.Add(limiter.AcquireAsync(new() { Policy = "p", MaxWait = RateLimits.MaxWait }));
            await limiter.PeekAsync("p");
        }

        var stopping = System.Diagnostics.Stopwatch.StartNew();
        await _cluster.Silos.StopSiloAsync(_cluster.Silos.Silos[1]);
        Assert.InRange(stopping.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(15));
        var moved = waiting.Where(each => each.IsCompleted).ToList();
        Assert.NotEmpty(moved);
        foreach (var each in moved) await Assert.ThrowsAsync<LimiterMovedException>(() => each);
    }

    private async Task<IRateLimiterGrain> LimiterAsync(params RateLimitWindow[] windows)
    {
        var limiter = _cluster.Silos.Client.GetGrain<IRateLimiterGrain>(Guid.NewGuid().ToString("n"));
        await limiter.SetPolicyAsync(new() { Name = "p", Windows = windows });
        return limiter;
    }
}
