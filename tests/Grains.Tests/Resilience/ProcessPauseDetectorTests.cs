using Actors.Redis;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A process that was stopped knows that it was.</summary>
public sealed class ProcessPauseDetectorTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly ProcessPauseDetector _pauses;

    public ProcessPauseDetectorTests() => _pauses = new ProcessPauseDetector(_clock, TimeSpan.FromMilliseconds(500));

    [Fact]
    public void There_is_none_while_it_looks_in_time()
    {
        var began = _clock.GetTimestamp();
        for (var i = 0; i < 100; i++) Look(499);
        Assert.False(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void A_pause_is_known_before_the_loop_looks_again()
    {
        Look(50);
        var began = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void And_after_it_has_looked()
    {
        Look(50);
        var began = _clock.GetTimestamp();
        Look(10_000);
        Look(50);
        Assert.True(_pauses.Within(began, _clock.GetTimestamp()));
    }

    [Fact]
    public void But_not_for_what_began_after_it()
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
