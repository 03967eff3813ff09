using System.Threading.RateLimiting;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>A client that alone gets no response is held to a limit, not allowed without one.</summary>
public sealed class FallbackTests
{
    private const int Limit = 3;

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    private readonly FakeTimeProvider _time = new();
    private readonly PlayedLimiter _silent = new() { Acquire = _ => new TaskCompletionSource<RateLimitDecision[]>().Task };
    private readonly PlayedLimiter _answered = new()
    {
        Acquire = requests => Task.FromResult(requests.Select(request => Decision(request)).ToArray()),
    };

    private readonly RateLimitCalls _calls;

    public FallbackTests() => _calls = new(id => id == "silent" ? _silent : _answered, _time);

    [Fact]
    public async Task Fallback_enforces_the_last_known_limits()
    {
        await using var limiter = await SilentAsync(isClusterAnswering: true);
        var leases = await AskAsync(limiter, 20);
        Assert.Equal(Limit - 1, leases.Count(lease => lease.IsAcquired));
        Assert.All(leases.Where(lease => !lease.IsAcquired), lease =>
        {
            Assert.True(lease.TryGetMetadata(MetadataName.RetryAfter, out var after));
            Assert.InRange(after, TimeSpan.FromSeconds(1), Window);
        });

        // The next stall creates no second budget.
        await EndSilenceAsync();
        await using var again = await SilentAsync(isClusterAnswering: true, isFirst: false);
        Assert.DoesNotContain(await AskAsync(limiter, 5), lease => lease.IsAcquired);
    }

    [Fact]
    public async Task Fallback_allows_calls_while_the_cluster_does_not_answer()
    {
        await using var limiter = await SilentAsync(isClusterAnswering: false);
        Assert.All(await AskAsync(limiter, 20), lease => Assert.True(lease.IsAcquired));
    }

    [Fact]
    public async Task Fallback_denies_calls_if_configured()
    {
        await using var limiter = await SilentAsync(isClusterAnswering: true, WhenUnreachable.Deny);
        Assert.All(await AskAsync(limiter, 5), lease => Assert.False(lease.IsAcquired));
    }

    [Fact]
    public void Windows_count_the_current_period_and_a_share_of_the_previous_one()
    {
        var limit = new FallbackLimit(_time);
        RateLimitWindow[] windows = [new(10, TimeSpan.FromSeconds(10)), new(15, TimeSpan.FromMinutes(1))];
        Assert.False(limit.TryGrant(windows, 11, out _));
        Assert.True(limit.TryGrant(windows, 10, out _));
        Assert.False(limit.TryGrant(windows, 1, out var after));
        Assert.Equal(TimeSpan.FromSeconds(10), after);

        // Half of the ten still count.
        _time.Advance(TimeSpan.FromSeconds(15));
        Assert.False(limit.TryGrant(windows, 6, out _));
        Assert.True(limit.TryGrant(windows, 5, out _));

        // The longer window is full.
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.False(limit.TryGrant(windows, 1, out _));
        Assert.False(limit.IsOver);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(limit.IsOver);
        Assert.True(limit.TryGrant(windows, 10, out _));
    }

    [Fact]
    public void Shadow_mode_denies_no_call_until_it_is_switched_off()
    {
        var limits = new FallbackLimits(_time);
        var request = new RateLimitRequest { Permits = Limit + 1 };
        Assert.Null(limits.TryGrant("a", request, out _));
        limits.Learn(Decision(request) with { IsShadowDenial = true });
        Assert.True(limits.TryGrant("a", request, out _));
        limits.Learn(Decision(request));
        Assert.True(limits.TryGrant("a", request, out _));
        limits.Learn(Decision(request) with { IsAllowed = false });
        Assert.False(limits.TryGrant("a", request, out _));
    }

    [Fact]
    public void Clients_beyond_the_capacity_share_limits_until_old_ones_are_evicted()
    {
        var limits = new FallbackLimits(_time);
        limits.Learn(Decision(RateLimitRequest.Default));
        var granted = Enumerable.Range(0, 20_000).Select(i => limits.TryGrant($"client-{i}", RateLimitRequest.Default, out _)).ToList();
        Assert.All(granted.Take(10_000), each => Assert.True(each));
        Assert.All(granted, each => Assert.NotNull(each));
        Assert.InRange(granted.Skip(10_000).Count(each => each == true), Limit, 100 * Limit);

        // A retry does not bypass the shared limit of late clients.
        Assert.InRange(Enumerable.Range(0, 10).Count(_ => limits.TryGrant("late", RateLimitRequest.Default, out var _) != false), 0, Limit);
        _time.Advance(3 * Window);
        Assert.True(limits.TryGrant("late", RateLimitRequest.Default, out _));
    }

    // One call of the client is overdue and stays undecided.
    private async Task<GrainRateLimiter> SilentAsync(
        bool isClusterAnswering, WhenUnreachable told = WhenUnreachable.Allow, bool isFirst = true)
    {
        var options = new GrainRateLimiterOptions { CallTimeout = CallTimeout, WhenUnreachable = told };
        await using var other = new GrainRateLimiter(_calls, "answered", options);
        Assert.True((await other.AcquireAsync()).IsAcquired);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        var limiter = new GrainRateLimiter(_calls, "silent", options);
        var first = limiter.AcquireAsync().AsTask();
        await _silent.NextAskedAsync();
        if (isClusterAnswering) Assert.True((await other.AcquireAsync()).IsAcquired);
        while (await Task.WhenAny(first, Task.Delay(10)) != first) _time.Advance(CallTimeout);
        Assert.Equal(told == WhenUnreachable.Allow && isFirst, (await first).IsAcquired);
        return limiter;
    }

    // Nothing calls the client for a while, so that the fallback forgets it.
    private async Task EndSilenceAsync()
    {
        for (var i = 0; i < 20; i++)
        {
            _time.Advance(CallTimeout);
            await Task.Delay(10);
        }
    }

    private async Task<List<RateLimitLease>> AskAsync(GrainRateLimiter limiter, int count)
    {
        var leases = new List<RateLimitLease>();
        for (var i = 0; i < count; i++)
        {
            var lease = limiter.AcquireAsync().AsTask();
            while (await Task.WhenAny(lease, Task.Delay(10)) != lease) _time.Advance(CallTimeout);
            leases.Add(await lease);
        }

        return leases;
    }

    private static RateLimitDecision Decision(RateLimitRequest request)
    {
        var window = new RateLimitWindow(Limit, Window);
        return PlayedGrain.Granted(request) with { Window = window, Windows = [window] };
    }
}
