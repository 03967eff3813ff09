using System.Globalization;
using Actors.Fixtures;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Common errors of sliding windows in Redis, tested against the limiter and its log.</summary>
[Collection(LimiterCollection.Name)]
public sealed class RecipeTests(LimiterCluster cluster)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(300);

    // The value comes from two clocks, neither of which is the test's.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(5);

    [Fact]
    public async Task Grants_of_the_same_instant_all_count()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(50, Hour));
        var decisions = await Task.WhenAll(Enumerable.Range(0, 80).Select(_ => limiter.AcquireAsync(new())));
        Assert.Equal(50, decisions.Count(decision => decision.IsAllowed));
        Assert.Equal(0, (await limiter.PeekAsync()).Remaining);

        var (batched, _) = await cluster.LimitedAsync(Per(50, Hour));
        var batch = await batched.AcquireManyAsync([.. Enumerable.Range(0, 80).Select(_ => new RateLimitRequest())]);
        Assert.Equal([.. Enumerable.Repeat(true, 50), .. Enumerable.Repeat(false, 30)], batch.Select(decision => decision.IsAllowed));
        Assert.False((await batched.AcquireAsync(new())).IsAllowed);
    }

    [Fact]
    public async Task Grant_times_are_kept_to_the_microsecond()
    {
        var (limiter, client) = await cluster.LimitedAsync(Per(50, Hour));
        var decided = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            var at = (await limiter.AcquireAsync(new())).DecidedAt - DateTimeOffset.UnixEpoch;
            decided.Add(((long)at.TotalMicroseconds).ToString(CultureInfo.InvariantCulture));
        }

        Assert.Equal(decided, await cluster.LoggedTimesAsync(client));
        Assert.Equal(20, decided.Distinct().Count());
        Assert.Contains(decided, time => !time.EndsWith('0'));
    }

    [Fact]
    public async Task Grants_count_from_the_time_of_Redis()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(50, Hour));
        for (var i = 0; i < 20; i++)
        {
            var before = await cluster.TimeAsync();
            var decision = await limiter.AcquireAsync(new());
            Assert.InRange(decision.DecidedAt, before, await cluster.TimeAsync());
        }
    }

    [Fact]
    public async Task Denials_write_nothing()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(10, Hour));
        await limiter.AcquireAsync(new() { Permits = 10 });
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);

        var before = await cluster.ChangesAsync();
        await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            var decision = await limiter.AcquireAsync(new() { RequestId = i % 2 == 0 ? $"request-{i}" : null });
            Assert.False(decision.IsAllowed);
        }));
        Assert.InRange(await cluster.ChangesAsync() - before, 0, 20);

        // The first peek of another activation charges nothing either.
        await TestCluster.DeactivateAsync(limiter);
        Assert.False((await limiter.AcquireAsync(new())).IsAllowed);
    }

    [Fact]
    public async Task Denied_calls_do_not_prolong_a_denial()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(5, Moment));
        var first = await limiter.AcquireAsync(new() { Permits = 5 });
        var granted = await GrantedAsync(limiter, permits: 5);
        Assert.True(granted.DecidedAt - first.DecidedAt >= Moment);
        Assert.Equal(RateLimitSource.Redis, granted.Source);
    }

    [Fact]
    public async Task Every_key_expires_after_the_window()
    {
        // Uses the configured default, because an own policy is kept on purpose.
        var client = AnyClient();
        var limiter = cluster.Cluster.Limiter(client);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => limiter.AcquireAsync(new())));
        var log = Assert.Single(await cluster.KeysAsync(client));
        Assert.InRange((await cluster.Database.KeyTimeToLiveAsync(log))!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(11.1));

        await limiter.AcquireAsync(new() { RequestId = "named" });
        foreach (var key in await cluster.KeysAsync(client))
            Assert.InRange((await cluster.Database.KeyTimeToLiveAsync(key))!.Value, TimeSpan.Zero, RateLimits.RequestIdMemory + TimeSpan.FromSeconds(1));
        await Eventually.IsTrueAsync(async () => !await cluster.Database.KeyExistsAsync(log));

        // Includes a client that was only peeked at and one that was denied.
        await limiter.PeekAsync();
        foreach (var key in await cluster.KeysAsync(client)) Assert.NotNull(await cluster.Database.KeyTimeToLiveAsync(key));
    }

    [Fact]
    public async Task Grant_is_free_after_exactly_the_window()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(1, TimeSpan.FromMilliseconds(20)));
        var times = new List<DateTimeOffset>();
        for (var i = 0; i < 40; i++) times.Add((await limiter.AcquireAsync(new() { MaxWait = TimeSpan.FromSeconds(10) })).DecidedAt);
        Assert.All(times.Zip(times.Skip(1)), pair => Assert.True(pair.Second - pair.First >= TimeSpan.FromMilliseconds(20)));

        var (slow, _) = await cluster.LimitedAsync(Per(1, Hour));
        var granted = await slow.AcquireAsync(new());
        var denied = await slow.PeekAsync();
        Assert.Equal(granted.DecidedAt + Hour, denied.DecidedAt + denied.RetryAfter);
    }

    [Fact]
    public async Task Retry_after_is_exact_for_every_weight()
    {
        var window = TimeSpan.FromSeconds(2);
        var (limiter, _) = await cluster.LimitedAsync(Per(10, window));
        var granted = new List<DateTimeOffset>();
        foreach (var permits in (int[])[3, 4, 3])
        {
            granted.Add((await limiter.AcquireAsync(new() { Permits = permits })).DecidedAt);
            await Task.Delay(20);
        }

        for (var permits = 1; permits <= 10; permits++)
        {
            var due = granted[permits <= 3 ? 0 : permits <= 7 ? 1 : 2] + window;
            foreach (var decision in (RateLimitDecision[])
                [await limiter.AcquireAsync(new() { Permits = permits }), await limiter.PeekAsync(permits: permits)])
            {
                Assert.False(decision.IsAllowed);
                Assert.InRange(decision.DecidedAt + decision.RetryAfter, due - Tolerance, due + Tolerance);
                Assert.InRange(decision.DecidedAt + decision.ResetAfter, granted[2] + window - Tolerance, granted[2] + window + Tolerance);
            }
        }

        // The time is exact: no grant before it, and a grant at it.
        var denied = await limiter.AcquireAsync(new() { Permits = 7 });
        var next = await GrantedAsync(limiter, permits: 7);
        Assert.InRange(next.DecidedAt, granted[1] + window, DateTimeOffset.MaxValue);
        Assert.InRange(next.DecidedAt, denied.DecidedAt + denied.RetryAfter - Tolerance, DateTimeOffset.MaxValue);
    }

    [Fact]
    public async Task Call_is_granted_after_retry_after()
    {
        var (limiter, _) = await cluster.LimitedAsync(Per(7, TimeSpan.FromMilliseconds(500)));
        for (var round = 0; round < 5; round++)
        {
            var permits = 1 + (3 * round % 7);
            var decision = await limiter.AcquireAsync(new() { Permits = permits });
            if (decision.IsAllowed) continue;
            await Task.Delay(decision.RetryAfter + Tolerance);
            Assert.True((await limiter.AcquireAsync(new() { Permits = permits })).IsAllowed);
        }
    }

    [Fact]
    public async Task Weight_is_granted_whole_or_not_at_all()
    {
        var (limiter, client) = await cluster.LimitedAsync(Per(10, Hour));
        Assert.Equal(3, (await limiter.AcquireAsync(new() { Permits = 7 })).Remaining);
        var denied = await limiter.AcquireAsync(new() { Permits = 4 });
        Assert.Equal((false, 3), (denied.IsAllowed, denied.Remaining));
        var granted = await limiter.AcquireAsync(new() { Permits = 3 });
        Assert.Equal((true, 0), (granted.IsAllowed, granted.Remaining));
        Assert.Equal(2, (await cluster.LoggedTimesAsync(client)).Count);
    }

    [Fact]
    public async Task Keys_of_a_client_share_one_Redis_Cluster_slot()
    {
        var (limiter, client) = await cluster.LimitedAsync(Per(10, Hour));
        await limiter.AcquireAsync(new() { RequestId = "named" });
        await limiter.AcquireAsync(new());
        var keys = await cluster.KeysAsync(client);
        Assert.True(keys.Count >= 2, string.Join(", ", keys));
        Assert.Single(keys.Select(key => cluster.Database.Multiplexer.HashSlot(key)).Distinct());
        Assert.All(keys, key => Assert.Matches(@"\{[^{}]+\}", (string)key!));
    }

    [Fact]
    public async Task Members_fit_the_compact_encoding_of_Redis()
    {
        var (limiter, client) = await cluster.LimitedAsync(Per(1_000_000, Hour));
        for (var i = 0; i < 100; i++) await limiter.AcquireAsync(new() { Permits = 5_000 });
        var log = (await cluster.KeysAsync(client)).Single();
        Assert.Equal("listpack", (string)(await cluster.Database.ExecuteAsync("OBJECT", "ENCODING", log))!);
    }
}
