namespace Actors.Cli.Load;

/// <summary>A stretch of a load of limits: what was decided in it, per second.</summary>
internal readonly record struct DecisionRate(double Allowed, double Denied, double Local);

/// <summary>
/// What was decided in each second of a load: one entry per second, so its bound is the length of the load. Whoever samples
/// it is its only user until the load is over.
/// </summary>
internal sealed class DecisionSeries(DecisionMeter meter, TimeProvider time)
{
    private readonly List<DecisionRate> _rates = [];
    private long _sampledAt = time.GetTimestamp();
    private DecisionCounts _sampled = meter.Counts;

    public IReadOnlyList<DecisionRate> Rates => _rates;

    /// <summary>Closes the current stretch where it is a second long, or where the load is over.</summary>
    public void Sample(bool isEnd = false)
    {
        var elapsed = time.GetElapsedTime(_sampledAt).TotalSeconds;
        var counts = meter.Counts;
        if (elapsed < 1 && !(isEnd && (elapsed >= 0.25 || _rates.Count == 0)))
            return;
        _rates.Add(new(
            (counts.Allowed - _sampled.Allowed) / elapsed,
            (counts.Denied - _sampled.Denied) / elapsed,
            (counts.Local - _sampled.Local) / elapsed));
        (_sampledAt, _sampled) = (time.GetTimestamp(), counts);
    }
}
