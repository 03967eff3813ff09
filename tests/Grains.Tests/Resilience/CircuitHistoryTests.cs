using System.Globalization;
using Actors.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

public sealed class CircuitHistoryTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly CircuitHistory _history;

    public CircuitHistoryTests() => _history = new("redis:6379", "journal", _clock, NullLogger.Instance);

    [Fact]
    public void Break_is_counted_and_its_reason_is_the_last_error()
    {
        _history.Failed("timeout");
        _clock.Advance(TimeSpan.FromSeconds(1));
        _history.Changed(BreakerState.Closed, BreakerState.Open, "too many failures");
        var opened = _clock.GetUtcNow();
        _clock.Advance(TimeSpan.FromSeconds(1));
        _history.Changed(BreakerState.Open, BreakerState.HalfOpen, "probing");
        _history.Changed(BreakerState.HalfOpen, BreakerState.Closed, "probed");
        Assert.Equal((1, "too many failures", opened), (_history.Breaks, _history.LastError?.Reason, _history.LastError?.At));

        _history.Changed(BreakerState.Closed, BreakerState.Isolated, "by hand");
        Assert.Equal((2, "by hand"), (_history.Breaks, _history.LastError?.Reason));
    }

    [Fact]
    public void Last_50_transitions_are_kept_newest_last()
    {
        for (var i = 0; i < 52; i++)
            _history.Changed(BreakerState.Closed, BreakerState.Open, i.ToString(CultureInfo.InvariantCulture));

        var kept = _history.Transitions();
        Assert.Equal((50, "2", "51"), (kept.Length, kept[0].Reason, kept[^1].Reason));
    }
}
