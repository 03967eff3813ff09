namespace Actors.Client.Tests.AspNetCore;

/// <summary>The rate limit headers of draft-ietf-httpapi-ratelimit-headers-11.</summary>
public sealed class RateLimitHeadersTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(TimeSpan.TicksPerSecond, 1)]
    [InlineData(TimeSpan.TicksPerSecond + 1, 2)]
    [InlineData(31 * TimeSpan.TicksPerDay, 31 * 24 * 3600)]
    public void Seconds_are_rounded_up_and_never_0(long ticks, long seconds) =>
        Assert.Equal(seconds, RateLimitHeaders.SecondsOf(new(ticks)));

    [Fact]
    public void Policy_with_one_window_is_one_item_and_several_windows_are_named_by_duration()
    {
        Assert.Equal("\"api\";q=10;w=1", RateLimitHeaders.PolicyOf(Decision(new RateLimitWindow(10, TimeSpan.FromMilliseconds(10)))));
        Assert.Equal(
            "\"api.100ms\";q=1;w=1, \"api.90s\";q=2;w=90, \"api.5m\";q=3;w=300, \"api.36h\";q=4;w=129600, \"api.7d\";q=5;w=604800, \"api.1000.5us\";q=6;w=1",
            RateLimitHeaders.PolicyOf(Decision(
                new(1, TimeSpan.FromMilliseconds(100)), new(2, TimeSpan.FromSeconds(90)), new(3, TimeSpan.FromMinutes(5)),
                new(4, TimeSpan.FromHours(36)), new(5, TimeSpan.FromDays(7)), new(6, TimeSpan.FromMicroseconds(1000.5)))));
    }

    [Fact]
    public void Grant_reports_when_all_permits_are_free_and_denial_when_the_requested_ones_are()
    {
        var decision = Decision(new RateLimitWindow(10, TimeSpan.FromSeconds(60))) with
        {
            Remaining = 3,
            ResetAfter = TimeSpan.FromSeconds(42.1),
            RetryAfter = TimeSpan.Zero,
        };
        Assert.Equal("\"api\";r=3;t=43", RateLimitHeaders.LimitOf(decision, showsShadowDenials: true));
        Assert.Equal("\"api\";r=10;t=0", RateLimitHeaders.LimitOf(decision with { Remaining = 10, ResetAfter = TimeSpan.Zero }, showsShadowDenials: true));
        var denied = decision with { IsAllowed = false, RetryAfter = TimeSpan.FromSeconds(7) };
        Assert.Equal("\"api\";r=3;t=7", RateLimitHeaders.LimitOf(denied, showsShadowDenials: true));
        var shadow = decision with { IsShadowDenial = true };
        Assert.Equal("\"api\";r=3;t=43;actors-shadow-denial", RateLimitHeaders.LimitOf(shadow, showsShadowDenials: true));
        Assert.Equal("\"api\";r=3;t=43", RateLimitHeaders.LimitOf(shadow, showsShadowDenials: false));
    }

    private static RateLimitDecision Decision(params RateLimitWindow[] windows) => new()
    {
        IsAllowed = true,
        Policy = "api",
        Window = windows[0],
        Windows = windows,
        Remaining = 1,
        Source = RateLimitSource.Redis,
        DecidedAt = DateTimeOffset.UnixEpoch,
    };
}
