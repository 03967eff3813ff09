using HdrHistogram;

namespace Actors.Redis;

/// <summary>Latencies of the last 30 to 60 seconds. Any thread records; the histograms are concurrent.</summary>
internal sealed class LatencyWindow(TimeProvider clock)
{
    private const long Longest = 60_000_000;
    private const int Digits = 2;

    private static readonly TimeSpan Half = TimeSpan.FromSeconds(30);

    // Guards switching from one half to the next and reading both.
    private readonly Lock _gate = new();
    private LongConcurrentHistogram _before = New();
    private volatile LongConcurrentHistogram _now = New();
    private long _turned = clock.GetTimestamp();

    public void Record(TimeSpan elapsed, long now)
    {
        if (clock.GetElapsedTime(Volatile.Read(ref _turned), now) >= Half) Turn(now);
        _now.RecordValue(Math.Clamp((long)elapsed.TotalMicroseconds, 1, Longest));
    }

    public LatencySnapshot Snapshot()
    {
        var now = clock.GetTimestamp();
        if (clock.GetElapsedTime(Volatile.Read(ref _turned), now) >= Half) Turn(now);
        var both = new LongHistogram(1, Longest, Digits);
        lock (_gate)
        {
            both.Add(_before);
            both.Add(_now);
        }

        return both.TotalCount == 0 ? new LatencySnapshot() : new LatencySnapshot
        {
            Calls = both.TotalCount,
            P50 = At(50),
            P95 = At(95),
            P99 = At(99),
        };

        TimeSpan At(double percentile) => TimeSpan.FromMicroseconds(both.GetValueAtPercentile(percentile));
    }

    private void Turn(long now)
    {
        lock (_gate)
        {
            var since = clock.GetElapsedTime(_turned, now);
            if (since < Half) return;
            _before = since < 2 * Half ? _now : New();
            _now = New();
            Volatile.Write(ref _turned, now);
        }
    }

    private static LongConcurrentHistogram New() => new(1, Longest, Digits);
}
