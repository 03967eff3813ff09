using Actors.Redis;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A process detects that it was paused.</summary>
public sealed class ProcessPauseDetectorTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly ProcessPauseDetector _pauses;

    public ProcessPauseDetectorTests() => _pauses = new ProcessPauseDetector(_clock, TimeSpan.FromMilliseconds(500));

    [Fact]
    public void No_pause_is_reported_while_checks_are_on_time()
    {
        var began = _clock.GetTimestamp();
        for (var i = 0; i < 100; i++) Look(499);
        Assert.False(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void Pause_is_known_before_the_next_check()
    {
        Look(50);
        var began = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void Pause_is_known_after_the_next_check()
    {
        Look(50);
        var began = _clock.GetTimestamp();
        Look(10_000);
        Look(50);
        Assert.True(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void Pause_does_not_affect_later_calls()
    {
        Look(10_000);
        var began = _clock.GetTimestamp();
        Look(50);
        Assert.False(_pauses.Within(began, _clock.GetTimestamp()));
    }

    private void Look(int after)
    {
        _clock.Advance(TimeSpan.FromMilliseconds(after));
        _pauses.Look(_clock.GetTimestamp());
    }
}
