using System.Diagnostics.Metrics;
using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>Histograms of batch size and duration. Recorded once per batch, not per write; safe for any thread.</summary>
internal sealed class BatchHistograms(Meter meter)
{
    private static readonly InstrumentAdvice<int> Rows = new()
    {
        HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000],
    };

    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
    };

    private readonly Histogram<int> _flushRows = meter.CreateHistogram(
        ActorsTelemetry.FlushBatchRows, "{row}", "Rows per batch committed to the database.", tags: null, Rows);

    private readonly Histogram<double> _flushDuration = meter.CreateHistogram(
        ActorsTelemetry.FlushDuration, "s", "How long the database took to commit a batch.", tags: null, Seconds);

    private readonly Histogram<int> _journalRows = meter.CreateHistogram(
        ActorsTelemetry.JournalCommitRows, "{row}", "Rows per script call to the journal.", tags: null, Rows);

    private readonly Histogram<double> _journalDuration = meter.CreateHistogram(
        ActorsTelemetry.JournalCommitDuration, "s", "How long a script call to the journal took.", tags: null, Seconds);

    public void Flushed(int rows, TimeSpan elapsed)
    {
        _flushRows.Record(rows);
        _flushDuration.Record(elapsed.TotalSeconds);
    }

    public void JournalCommitted(int rows, TimeSpan elapsed)
    {
        _journalRows.Record(rows);
        _journalDuration.Record(elapsed.TotalSeconds);
    }
}
