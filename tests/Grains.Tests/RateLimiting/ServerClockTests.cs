using Actors.RateLimiting;
using CsCheck;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>The bounds of the clock of Redis hold whatever the calls took and however the two clocks drift.</summary>
public sealed class ServerClockTests
{
    private const long Second = 1_000_000;

    // Each answer may be rounded by a microsecond or two.
    private const long Rounding = 60;

    [Fact]
    public void Clock_is_unknown_before_the_first_answer()
    {
        var clock = new ServerClock();
        Assert.False(clock.IsKnown);
        clock.Observe(500, sent: 10, received: 30);
        Assert.True(clock.IsKnown);
    }

    [Fact]
    public void One_answer_tells_the_time_to_within_the_call()
    {
        var clock = new ServerClock();
        clock.Observe(500, sent: 10, received: 30);
        Assert.Equal((500, 520), (clock.Earliest(30), clock.Latest(30)));
    }

    [Fact]
    public void Bounds_widen_with_the_drift_of_two_clocks()
    {
        var clock = new ServerClock();
        clock.Observe(500, sent: 10, received: 30);

        // 500 ppm of ten seconds.
        Assert.Equal(500 + (10 * Second) - 5000, clock.Earliest(30 + (10 * Second)));
        Assert.Equal(520 + (10 * Second) + 5000, clock.Latest(30 + (10 * Second)));
    }

    [Fact]
    public void Upper_bound_allows_for_the_drift_during_the_call()
    {
        var clock = new ServerClock();
        clock.Observe(500, sent: 0, received: Second);

        // The server may have read its clock at once and run 500 ppm fast for the second until the response arrived.
        Assert.Equal((500, 500 + Second + 500), (clock.Earliest(Second), clock.Latest(Second)));
    }

    [Fact]
    public void Slow_answer_does_not_widen_the_bounds_of_a_quick_one()
    {
        var clock = new ServerClock();
        clock.Observe(1000, sent: 0, received: 2);
        clock.Observe(1500, sent: 100, received: 900);
        Assert.Equal((1898, 1900), (clock.Earliest(900), clock.Latest(900)));
    }

    [Fact]
    public void Quick_answer_narrows_the_bounds_of_a_slow_one()
    {
        var clock = new ServerClock();
        clock.Observe(1500, sent: 100, received: 900);
        clock.Observe(2000, sent: 999, received: 1001);
        Assert.Equal((2000, 2002), (clock.Earliest(1001), clock.Latest(1001)));
    }

    [Theory]
    [InlineData(3600 * Second)]
    [InlineData(-3600 * Second)]
    public void Clock_that_was_set_voids_what_was_known(long by)
    {
        var clock = new ServerClock();
        clock.Observe(7200 * Second, sent: 0, received: 10);
        clock.Observe((7200 * Second) + by + 100, sent: 100, received: 140);
        Assert.Equal(((7200 * Second) + by + 100, (7200 * Second) + by + 140), (clock.Earliest(140), clock.Latest(140)));
    }

    [Fact]
    public void Server_time_is_always_between_the_bounds() =>
        Gen.Select(
            Gen.Double[-0.0004, 0.0004],
            Gen.Long[-1000 * Second, 1000 * Second],
            Gen.Select(Gen.Long[0, 60 * Second], Gen.Long[0, Second], Gen.Long[0, Second]).Array[1, 30])
        .Sample((drift, offset, calls) =>
        {
            var clock = new ServerClock();
            var now = 0L;
            foreach (var (pause, there, back) in calls)
            {
                var sent = now + pause;
                now = sent + there + back;
                clock.Observe(Server(sent + there), sent, now);
                foreach (var later in (long[])[now, now + Second, now + (100 * Second)])
                {
                    Assert.True(clock.Earliest(later) <= Server(later) + Rounding);
                    Assert.True(clock.Latest(later) >= Server(later) - Rounding);
                }
            }

            long Server(long at) => at + offset + (long)(at * drift);
        });
}
