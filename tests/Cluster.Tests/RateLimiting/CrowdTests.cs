using Actors.Fixtures;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>More clients than a silo has memory for.</summary>
public sealed class CrowdTests(ServersFixture servers) : IAsyncLifetime
{
    private const long Room = 1 << 20;
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await TestCluster.StartAsync(servers, silos: 1, limits: options =>
    {
        options.MaxMemory = Room;
        options.Policies["default"] = new() { Windows = { new() { Limit = 5, Duration = Hour } } };
    });

    public async ValueTask DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task Flood_of_new_ids_evicts_idle_clients_without_losing_usage_or_rejecting_others()
    {
        var used = _cluster.Limiter("used");
        for (var i = 0; i < 5; i++) Assert.True((await used.AcquireAsync(new())).IsAllowed);
        var steady = _cluster.Limiter("steady");
        using var stop = new CancellationTokenSource();
        var calls = CallAsync();

        // Each is a client with its own budget; none is allowed without one.
        var refused = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 3000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, cancellation) =>
        {
            try
            {
                await _cluster.Limiter($"flood-{i}").AcquireAsync(new(), cancellation);
            }
            catch (OverloadedException error)
            {
                Assert.True(error.RetryAfter > TimeSpan.Zero);
                Interlocked.Increment(ref refused);
            }
        });
        await stop.CancelAsync();
        Assert.True(await calls > 0);
        Assert.InRange(refused, 0, 2500);
        Assert.InRange((await _cluster.Cluster.GetStatusAsync()).Silos.Single().RateLimits.Bytes, 1, Room + (Room / 4));

        // It returns with its remaining permits.
        Assert.False((await DecidedAsync("used")).IsAllowed);

        // A client that is new is not rejected either.
        Assert.True((await DecidedAsync("fresh")).IsAllowed);

        async Task<int> CallAsync()
        {
            var count = 0;
            for (; !stop.IsCancellationRequested; count++)
            {
                await steady.AcquireAsync(new());
                await Task.Delay(50, CancellationToken.None);
            }

            return count;
        }
    }

    [Fact]
    public async Task Full_silo_rejects_new_clients_without_Redis_and_keeps_known_ones()
    {
        var kept = _cluster.Limiter("kept");
        Assert.True((await kept.AcquireAsync(new())).IsAllowed);
        await _cluster.IsolateAsync(true);
        var refused = await Assert.ThrowsAsync<OverloadedException>(async () =>
        {
            for (var i = 0; i < 2000; i++) await _cluster.Limiter($"flood-{i}").AcquireAsync(new());
        });
        Assert.True(refused.RetryAfter > TimeSpan.Zero);
        for (var i = 0; i < 4; i++) Assert.True((await kept.AcquireAsync(new())).IsAllowed);
        Assert.False((await kept.AcquireAsync(new())).IsAllowed);

        // They are evicted once Redis is back.
        await _cluster.IsolateAsync(false);
        Assert.True((await DecidedAsync("late")).IsAllowed);
        Assert.False((await kept.AcquireAsync(new())).IsAllowed);
    }

    [Fact]
    public async Task Client_with_too_many_request_ids_is_rejected_and_others_are_not()
    {
        var greedy = _cluster.Limiter("greedy");
        await greedy.SetPolicyAsync(new() { Name = "default", Windows = [Per(RateLimits.MaxLimit, Hour)] });
        await Assert.ThrowsAsync<OverloadedException>(async () =>
        {
            for (var i = 0; i < RateLimits.RememberedRequests; i += 100)
            {
                await greedy.AcquireManyAsync([.. Enumerable.Range(i, 100).Select(each => new RateLimitRequest { RequestId = $"{each:d60}" })]);
            }
        });
        Assert.InRange((await _cluster.Cluster.GetStatusAsync()).Silos.Single().RateLimits.Bytes, 1, 2 * Room);

        // Its known request ids are answered, and calls without an id continue.
        Assert.True((await greedy.AcquireAsync(new() { RequestId = $"{0:d60}" })).IsAllowed);
        Assert.True((await greedy.AcquireAsync(new())).IsAllowed);
    }

    [Fact]
    public async Task Peeked_ids_and_unknown_policies_take_no_memory_from_other_clients()
    {
        var kept = _cluster.Limiter("asked");
        Assert.True((await kept.AcquireAsync(new())).IsAllowed);
        for (var i = 0; i < 600; i++)
        {
            await Assert.ThrowsAnyAsync<ActorsException>(() => _cluster.Limiter($"unknown-{i}").AcquireAsync(new() { Policy = "none" }));
            await Assert.ThrowsAnyAsync<ActorsException>(() => _cluster.Limiter($"\0{i}").PeekAsync());
        }

        var limits = (await _cluster.Cluster.GetStatusAsync()).Silos.Single().RateLimits;
        Assert.InRange(limits.Bytes, 1, Room + (Room / 4));
        Assert.InRange(limits.Clients, 1, 300);
        Assert.True((await kept.AcquireAsync(new())).IsAllowed);
    }

    private async Task<RateLimitDecision> DecidedAsync(string client)
    {
        RateLimitDecision? decision = null;
        await Eventually.IsTrueAsync(async () =>
        {
            try
            {
                decision = await _cluster.Limiter(client).AcquireAsync(new());
                return true;
            }
            catch (OverloadedException)
            {
                return false;
            }
        });
        return decision!;
    }
}
