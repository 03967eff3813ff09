using Actors.Fixtures;
using Actors.RateLimiting;
using Actors.Redis;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Limiters during a Redis outage and after it, with or without the data of Redis.</summary>
public sealed class OutageTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly BreakerOptions Quick = new()
    {
        BreakDuration = TimeSpan.FromMilliseconds(200),
        MaxBreakDuration = TimeSpan.FromMilliseconds(500),
        RampDuration = TimeSpan.FromMilliseconds(200),
    };

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly RedisServer _redis = new();
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync();
        _cluster = await TestCluster.StartAsync(servers, silos: 2, redis: _redis, breaker: Quick);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Budget_stays_the_same_before_during_and_after_an_outage(bool isBackEmpty)
    {
        var limiter = await LimiterAsync();
        await limiter.AcquireAsync(new() { Policy = "p", Permits = 4 });
        await _redis.KillAsync();
        for (var i = 0; i < 3; i++)
        {
            var local = await limiter.AcquireAsync(new() { Policy = "p", RequestId = $"local-{i}" });
            Assert.Equal((true, RateLimitSource.Local), (local.IsAllowed, local.Source));
        }
        var again = await limiter.AcquireAsync(new() { Policy = "p", RequestId = "local-0" });
        Assert.True(again.IsAllowed);
        var over = await limiter.AcquireAsync(new() { Policy = "p", Permits = 4 });
        Assert.Equal((false, RateLimitSource.Local, 3), (over.IsAllowed, over.Source, over.Remaining));

        if (isBackEmpty) _redis.DeleteData();
        await _redis.StartAsync();
        await Eventually.IsTrueAsync(async () => (await limiter.PeekAsync("p")).Source == RateLimitSource.Redis);
        var after = await limiter.AcquireAsync(new() { Policy = "p", Permits = 2 });
        Assert.True(after.IsAllowed);
        Assert.False((await limiter.AcquireAsync(new() { Policy = "p", Permits = 2 })).IsAllowed);

        await Eventually.IsTrueAsync(async () =>
            (await _cluster.Cluster.GetStatusAsync()).Silos.All(silo => silo.RateLimits.Unsynced == 0));

        // An own policy is stored in Redis only and is not restored.
        if (isBackEmpty) await limiter.SetPolicyAsync(new() { Name = "p", Windows = [Per(10, Hour)] });

        // Redis has the grants of the outage: another activation finds them by number and by request id.
        RateLimitDecision? seen = null;
        await Eventually.IsTrueAsync(async () =>
        {
            await TestCluster.DeactivateAsync(limiter);
            try
            {
                seen = await limiter.PeekAsync("p");
                return seen.Source == RateLimitSource.Redis;
            }
            catch (StorageUnavailableException)
            {
                // The other silo detects the return of Redis in its own time.
                return false;
            }
        });
        Assert.True(seen!.IsAllowed, seen.ToString());
        Assert.Equal(0, seen.Remaining);
        Assert.True((await limiter.AcquireAsync(new() { Policy = "p", RequestId = "local-1" })).IsAllowed);
        Assert.True((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        Assert.False((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
    }

    [Fact]
    public async Task Repeated_handoff_is_acknowledged_only_after_it_was_stored()
    {
        var limiter = await LimiterAsync();
        var granted = await limiter.AcquireAsync(new() { Policy = "p" });
        var now = (granted.DecidedAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        var handoff = new LimiterHandoff
        {
            Origins = ["before"],
            Logs =
            [
                new()
                {
                    Policy = await limiter.GetPolicyAsync("p"), Grants = [now - 1, 4], Noted = [], Forgotten = [], Time = now, IsTimeKnown = true,
                },
            ],
            Names = [],
            OwnPolicies = [],
        };

        // A script without a response changes nothing.
        var heir = _cluster.Silos.Client.GetGrain<ILimiterHeir>(limiter.GetPrimaryKeyString());
        _redis.Signal(Signals.Stop);
        try
        {
            var asked = limiter.AcquireAsync(new() { Policy = "p" });
            var first = heir.InheritAsync(handoff);
            await heir.InheritAsync(handoff);

            // This counts this call and the requested ones; the call above may be decided or not.
            Assert.InRange((await limiter.PeekAsync("p")).Remaining, 10 - 1 - 4 - 2, 10 - 1 - 4 - 1);
            await Task.WhenAll(asked, first);
        }
        finally
        {
            _redis.Signal(Signals.Continue);
        }
    }

    [Fact]
    public async Task Limiter_follows_the_outage_mode_of_its_policy()
    {
        var allow = await LimiterAsync(RedisDownBehavior.Allow);
        var deny = await LimiterAsync(RedisDownBehavior.Deny);
        foreach (var limiter in (IRateLimiterGrain[])[allow, deny]) await limiter.AcquireAsync(new() { Policy = "p", Permits = 8 });
        await _redis.KillAsync();
        for (var i = 0; i < 20; i++)
        {
            var granted = await allow.AcquireAsync(new() { Policy = "p" });
            Assert.Equal((true, RateLimitSource.Local), (granted.IsAllowed, granted.Source));
            var denied = await deny.AcquireAsync(new() { Policy = "p" });
            Assert.Equal((false, RateLimitSource.Local), (denied.IsAllowed, denied.Source));
            Assert.True(denied.RetryAfter > TimeSpan.Zero);
        }

        await _redis.StartAsync();
        await Eventually.IsTrueAsync(async () => (await deny.AcquireAsync(new() { Policy = "p", Permits = 2 })).IsAllowed);
        Assert.False((await deny.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        await Eventually.IsTrueAsync(async () => !(await allow.AcquireAsync(new() { Policy = "p" })).IsAllowed);
    }

    [Fact]
    public async Task Calls_are_answered_in_time_without_Redis()
    {
        var limiters = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => LimiterAsync()));
        await Task.WhenAll(limiters.Select(limiter => limiter.AcquireAsync(new() { Policy = "p", Permits = 5 })));
        await _redis.KillAsync();
        var decisions = await Task.WhenAll(limiters.SelectMany(limiter => Enumerable.Range(0, 10).Select(_ => limiter.AcquireAsync(new() { Policy = "p" }))))
            .WaitAsync(TimeSpan.FromSeconds(40));
        Assert.Equal(5 * limiters.Length, decisions.Count(decision => decision.IsAllowed));

        // Operations that need Redis report its outage.
        await Assert.ThrowsAsync<StorageUnavailableException>(() => limiters[0].SetPolicyAsync(new() { Name = "q", Windows = [Per(1, Hour)] }));
    }

    [Fact]
    public async Task Waiting_calls_are_granted_during_a_Redis_outage()
    {
        var limiter = _cluster.Limiter(AnyClient());
        await limiter.SetPolicyAsync(new() { Name = "p", Windows = [Per(5, TimeSpan.FromSeconds(3))] });
        var first = await limiter.AcquireAsync(new() { Policy = "p", Permits = 5 });
        var waiting = Enumerable.Range(0, 5).Select(_ => limiter.AcquireAsync(new() { Policy = "p", MaxWait = RateLimits.MaxWait })).ToList();
        await limiter.PeekAsync("p");
        await _redis.KillAsync();
        var decisions = await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(40));
        Assert.All(decisions, decision => Assert.True(decision.IsAllowed));
        Assert.All(decisions, decision => Assert.True(decision.DecidedAt - first.DecidedAt >= TimeSpan.FromSeconds(3)));
        Assert.All(decisions, decision => Assert.Equal(RateLimitSource.Local, decision.Source));
    }

    private async Task<IRateLimiterGrain> LimiterAsync(RedisDownBehavior onRedisDown = RedisDownBehavior.Local)
    {
        var limiter = _cluster.Limiter(AnyClient());
        await limiter.SetPolicyAsync(new() { Name = "p", Windows = [Per(10, Hour)], OnRedisDown = onRedisDown });
        return limiter;
    }
}
