using Actors.Redis;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Silence is that calls wait and none is answered, while we listened.</summary>
public sealed class StallDetectorTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    private readonly FakeTimeProvider _clock = new();
    private readonly StallDetector _watch;

    public StallDetectorTests() => _watch = new StallDetector(_clock, Limit);

    [Fact]
    public void Calls_that_wait_for_the_limit_are_silence()
    {
        Assert.False(Look(waiting: 3, answered: 7));
        for (var i = 0; i < 9; i++) Assert.False(Look(waiting: 3, answered: 7));
        Assert.True(Look(waiting: 3, answered: 7));
    }

    [Fact]
    public void It_is_told_again_only_after_the_limit_has_passed_again()
    {
        for (var i = 0; i < 10; i++) Look(waiting: 1, answered: 0);
        Assert.True(Look(waiting: 1, answered: 0));
        for (var i = 0; i < 9; i++) Assert.False(Look(waiting: 1, answered: 0));
        Assert.True(Look(waiting: 1, answered: 0));
    }

    [Fact]
    public void Nothing_that_waits_is_no_silence()
    {
        for (var i = 0; i < 100; i++) Assert.False(Look(waiting: 0, answered: 7));
    }

    [Fact]
    public void Any_answer_ends_it()
    {
        for (var i = 0; i < 100; i++) Assert.False(Look(waiting: 100, answered: i / 9));
    }

    [Fact]
    public void A_call_that_began_just_now_has_not_waited()
    {
        // None waits, for long; the one seen at last may have begun at this moment.
        for (var i = 0; i < 20; i++) Look(waiting: 0, answered: 7);
        for (var i = 0; i < 10; i++) Assert.False(Look(waiting: 1, answered: 7));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100_000)]
    public void A_pause_of_our_own_is_not_the_silence_of_Redis(int seconds)
    {
        Look(waiting: 3, answered: 7);
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        Assert.False(_watch.IsSilent(3, 7, _clock.GetTimestamp()));
        Assert.False(Look(waiting: 3, answered: 7));
        for (var i = 0; i < 9; i++) Look(waiting: 3, answered: 8);
        Assert.False(Look(waiting: 3, answered: 8));
    }

    [Fact]
    public void Late_looks_put_it_off_and_not_away()
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
    public void It_looks_often_enough_for_every_limit_that_may_be_set(int limit, double interval)
    {
        var watch = new StallDetector(_clock, TimeSpan.FromMilliseconds(limit));
        Assert.Equal(interval, watch.Interval.TotalMilliseconds);
        var looks = 0;
        for (var isSilent = false; !isSilent; looks++)
        {
            Assert.True(looks * interval <= 2 * limit, "never silent");
            _clock.Advance(watch.Interval);
            isSilent = watch.IsSilent(1, 0, _clock.GetTimestamp());
        }

        // Not at once, and not by one look that came late.
        Assert.True(looks > 4);
    }

    private bool Look(long waiting, long answered)
    {
        _clock.Advance(Tick);
        return _watch.IsSilent(waiting, answered, _clock.GetTimestamp());
    }
}
