using Actors.Redis;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A stall: calls wait and none gets a response while the process runs.</summary>
public sealed class StallDetectorTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    private readonly FakeTimeProvider _clock = new();
    private readonly StallDetector _watch;

    public StallDetectorTests() => _watch = new StallDetector(_clock, Limit);

    [Fact]
    public void Calls_that_wait_for_the_limit_are_a_stall()
    {
        Assert.False(Look(waiting: 3, answered: 7));
        for (var i = 0; i < 9; i++) Assert.False(Look(waiting: 3, answered: 7));
        Assert.True(Look(waiting: 3, answered: 7));
    }

    [Fact]
    public void Stall_is_reported_again_only_after_another_limit()
    {
        for (var i = 0; i < 10; i++) Look(waiting: 1, answered: 0);
        Assert.True(Look(waiting: 1, answered: 0));
        for (var i = 0; i < 9; i++) Assert.False(Look(waiting: 1, answered: 0));
        Assert.True(Look(waiting: 1, answered: 0));
    }

    [Fact]
    public void No_waiting_call_means_no_stall()
    {
        for (var i = 0; i < 100; i++) Assert.False(Look(waiting: 0, answered: 7));
    }

    [Fact]
    public void Any_response_ends_a_stall()
    {
        for (var i = 0; i < 100; i++) Assert.False(Look(waiting: 100, answered: i / 9));
    }

    [Fact]
    public void New_call_is_not_a_stall()
    {
        // No call waits for long; the one seen last may have begun at this moment.
        for (var i = 0; i < 20; i++) Look(waiting: 0, answered: 7);
        for (var i = 0; i < 10; i++) Assert.False(Look(waiting: 1, answered: 7));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100_000)]
    public void Process_pause_is_not_a_stall_of_Redis(int seconds)
    {
        Look(waiting: 3, answered: 7);
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        Assert.False(_watch.IsSilent(3, 7, _clock.GetTimestamp()));
        Assert.False(Look(waiting: 3, answered: 7));
        for (var i = 0; i < 9; i++) Look(waiting: 3, answered: 8);
        Assert.False(Look(waiting: 3, answered: 8));
    }

    [Fact]
    public void Late_checks_delay_a_stall_report_but_do_not_prevent_it()
    {
        var silent = 0;
        for (var i = 0; i < 20; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            if (_watch.IsSilent(1, 0, _clock.GetTimestamp())) silent++;
        }

        Assert.Equal(4, silent);
    }

    [Theory]
    [InlineData(10, 2)]
    [InlineData(100, 12.5)]
    [InlineData(500, 50)]
    [InlineData(60_000, 50)]
    public void Check_interval_suits_every_allowed_limit(int limit, double interval)
    {
        var watch = new StallDetector(_clock, TimeSpan.FromMilliseconds(limit));
        Assert.Equal(interval, watch.Interval.TotalMilliseconds);
        var looks = 0;
        for (var isSilent = false; !isSilent; looks++)
        {
            Assert.True(looks * interval <= 2 * limit, "no stall was reported");
            _clock.Advance(watch.Interval);
            isSilent = watch.IsSilent(1, 0, _clock.GetTimestamp());
        }

        // Not at once, and not by one late check.
        Assert.True(looks > 4);
    }

    private bool Look(long waiting, long answered)
    {
        _clock.Advance(Tick);
        return _watch.IsSilent(waiting, answered, _clock.GetTimestamp());
    }
}
