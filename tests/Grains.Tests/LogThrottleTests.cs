using Actors.Core;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests;

public sealed class LogThrottleTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    [Fact]
    public void Message_is_due_once_per_interval()
    {
        var clock = new FakeTimeProvider();
        var throttle = new LogThrottle(Interval, clock);

        Assert.True(throttle.IsDue());
        Assert.False(throttle.IsDue());
        clock.Advance(Interval - TimeSpan.FromMilliseconds(1));
        Assert.False(throttle.IsDue());
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(throttle.IsDue());
        Assert.False(throttle.IsDue());
    }
}
