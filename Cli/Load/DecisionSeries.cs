namespace Actors.Cli.Load;

/// <summary>An interval of a limiter load: the decisions per second in it.</summary>
internal readonly record struct DecisionRate(double Allowed, double Denied, double Local);

/// <summary>
/// The decisions in each second of a load. There is one entry per second, so the length of the load bounds it. Only the sampler
/// uses it until the load has ended.
/// </summary>
internal sealed class DecisionSeries(DecisionMeter meter, TimeProvider time)
{
    private readonly List<DecisionRate> _rates = [];
    private long _sampledAt = time.GetTimestamp();
    private DecisionCounts _sampled = meter.Counts;

    public IReadOnlyList<DecisionRate> Rates => _rates;

    /// <summary>Closes the current interval if it is a second long or the load has ended.</summary>
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
