using Actors.Redis;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The latency of recent calls.</summary>
public sealed class LatencyWindowTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly LatencyWindow _window;

    public LatencyWindowTests() => _window = new LatencyWindow(_clock);

    [Fact]
    public void Latency_window_is_empty_at_first() => Assert.Equal(0, _window.Snapshot().Calls);

    [Fact]
    public void Percentiles_have_two_significant_digits()
    {
        for (var i = 1; i <= 1000; i++) Record(i);
        var snapshot = _window.Snapshot();
        Assert.Equal(1000, snapshot.Calls);
        Assert.InRange(snapshot.P50.TotalMilliseconds, 495, 505);
        Assert.InRange(snapshot.P95.TotalMilliseconds, 940, 960);
        Assert.InRange(snapshot.P99.TotalMilliseconds, 980, 1000);
    }

    [Fact]
    public void Samples_are_kept_between_half_a_minute_and_a_minute()
    {
        Record(5);
        _clock.Advance(TimeSpan.FromSeconds(29));
        Record(5);
        _clock.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(2, _window.Snapshot().Calls);
        _clock.Advance(TimeSpan.FromSeconds(32));
        Assert.Equal(0, _window.Snapshot().Calls);
    }

    [Fact]
    public void Latency_window_is_empty_after_a_long_idle_time()
    {
        Record(5);
        _clock.Advance(TimeSpan.FromDays(400));
        Assert.Equal(0, _window.Snapshot().Calls);
        Record(5);
        Assert.Equal(1, _window.Snapshot().Calls);
    }

    [Fact]
    public void Out_of_range_latency_counts_as_the_minimum_or_maximum()
    {
        _window.Record(TimeSpan.Zero, _clock.GetTimestamp());
        _window.Record(TimeSpan.FromMilliseconds(-5), _clock.GetTimestamp());
        _window.Record(TimeSpan.FromDays(1), _clock.GetTimestamp());
        Assert.InRange(_window.Snapshot().P99, TimeSpan.FromSeconds(59), TimeSpan.FromSeconds(61));
        Assert.InRange(_window.Snapshot().P50, TimeSpan.Zero, TimeSpan.FromMicroseconds(2));
    }

    [Fact]
    public async Task Concurrent_records_and_reads_are_consistent()
    {
        const int threads = 4;
        const int each = 50_000;
        var recording = Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < each; i++) Record(1 + (i % 100));
        })));
        while (!recording.IsCompleted)
        {
            var snapshot = _window.Snapshot();
            Assert.True(snapshot.P50 <= snapshot.P95 && snapshot.P95 <= snapshot.P99);
            Assert.InRange(snapshot.P99, TimeSpan.Zero, TimeSpan.FromMilliseconds(102));
        }

        await recording;
        Assert.Equal(threads * each, _window.Snapshot().Calls);
    }

    private void Record(int milliseconds) => _window.Record(TimeSpan.FromMilliseconds(milliseconds), _clock.GetTimestamp());
}
