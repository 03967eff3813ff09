using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Hosting;

/// <summary>The instruments of the silo's write-behind, observed at collection time.</summary>
internal static class WriteBehindInstruments
{
    public static void AddTo(Meter meter, WriteBehindTable table, JournalSize journal)
    {
        var counters = table.Counters;
        meter.CreateObservableCounter(
            ActorsTelemetry.Writes,
            () => Enum.GetValues<Durability>().Select(durability => new Measurement<long>(
                counters.Writes(durability), Tag(ActorsTelemetry.DurabilityTag, durability.ToString()))),
            "{write}", "Acknowledged writes by the durability reached.");
        Count(ActorsTelemetry.JournalCommits, "{commit}", "Script calls that carried rows to the journal.", () => counters.JournalCommits);
        Count(ActorsTelemetry.JournalRows, "{row}", "Rows carried to the journal.", () => counters.JournaledRows);
        Count(ActorsTelemetry.FlushBatches, "{batch}", "Batches committed to the database.", () => counters.FlushedBatches);
        Count(ActorsTelemetry.FlushRows, "{row}", "Rows committed to the database.", () => counters.FlushedRows);
        Count(ActorsTelemetry.FlushFailures, "{attempt}", "Failed attempts to commit a batch.", () => counters.FlushFailures);
        Count(
            ActorsTelemetry.FenceHits, "{row}", "Rows the database refused because it already held the same or a later version.",
            () => counters.FenceHits);
        Count(ActorsTelemetry.ParkedRows, "{row}", "Rows parked because the database refused their content.", () => counters.ParkedRows);
        Count(ActorsTelemetry.RecoveredRows, "{row}", "Journaled rows recovered from silos that left the cluster.", () => counters.RecoveredRows);
        Count(ActorsTelemetry.Recoveries, "{recovery}", "Recoveries of such rows from a partition.", () => counters.Recoveries);
        Count(ActorsTelemetry.RefusedWrites, "{write}", "Writes refused because the ceiling was reached.", () => counters.RefusedWrites);
        Count(ActorsTelemetry.SlowedWrites, "{write}", "Writes delayed by backpressure.", () => counters.SlowedWrites);
        meter.CreateObservableCounter(
            ActorsTelemetry.WriteBehindTransitions,
            () => Enum.GetValues<WriteBehindState>().Select(state => new Measurement<long>(
                counters.Transitions(state), Tag(ActorsTelemetry.StateTag, state.ToString()))),
            "{transition}", "Transitions into a backpressure state.");
        meter.CreateObservableGauge(
            ActorsTelemetry.WriteBehindState, () => (int)table.State, null,
            "Backpressure: 0 buffering, 1 slowing, 2 writing through, 3 refusing.");
        meter.CreateObservableGauge(
            ActorsTelemetry.HeldRows, () => table.Held.Rows, "{row}", "Rows that can currently be neither committed nor parked.");
        meter.CreateObservableGauge(ActorsTelemetry.UnflushedRows, () => table.Backlog.Rows, "{row}", "Rows not yet in the database.");
        meter.CreateObservableGauge(ActorsTelemetry.UnflushedBytes, () => table.Backlog.Bytes, "By", "Bytes not yet in the database.");
        meter.CreateObservableGauge(
            ActorsTelemetry.UnflushedCeiling, () => table.Options.MaxUnflushedBytes, "By", "The ceiling for bytes not yet in the database.");
        meter.CreateObservableGauge(
            ActorsTelemetry.UnflushedAge, () => table.Backlog.Oldest.TotalSeconds, "s", "Age of the oldest unflushed row.");
        meter.CreateObservableGauge(ActorsTelemetry.CoalesceRatio, Ratio, null, "Acknowledged writes per row committed to the database.");
        meter.CreateObservableGauge(
            ActorsTelemetry.JournalSize, () => Known(journal.Rows), "{row}", "Rows in the journal, all silos together.");

        void Count(string name, string unit, string description, Func<long> observe) =>
            meter.CreateObservableCounter(name, observe, unit, description);

        IEnumerable<Measurement<double>> Ratio()
        {
            if (counters.FlushedRows is > 0 and var rows) yield return new(Enum.GetValues<Durability>().Sum(counters.Writes) / (double)rows);
        }
    }

    private static IEnumerable<Measurement<long>> Known(long? figure)
    {
        if (figure is { } known) yield return new(known);
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value.ToLowerInvariant());
}
