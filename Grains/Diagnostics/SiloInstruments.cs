using System.Diagnostics.Metrics;
using Actors.Caching;
using Actors.Resilience;
using Actors.WriteBehind;

namespace Actors.Diagnostics;

/// <summary>
/// The silo's instruments. All of them are observed when someone collects, from counters that are kept anyway: what is
/// measured costs the hot paths nothing.
/// </summary>
internal sealed class SiloInstruments : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private readonly Meter _meter;

    public SiloInstruments(IMeterFactory meters, WriteBehindTable table, ReadCounters reads, RedisGateway redis,
        IEnumerable<LastingMembershipTable> membership)
    {
        _meter = meters.Create(ActorsTelemetry.MeterName);
        var counters = table.Counters;
        _meter.CreateObservableCounter(
            ActorsTelemetry.Writes,
            () => Enum.GetValues<Durability>().Select(durability => new Measurement<long>(
                counters.Writes(durability), Tag(ActorsTelemetry.DurabilityTag, durability.ToString()))),
            "{write}", "Acknowledged writes by the durability reached.");
        Count(ActorsTelemetry.JournalCommits, "{commit}", "Script calls that carried rows to the journal.", () => counters.JournalCommits);
        Count(ActorsTelemetry.JournalRows, "{row}", "Rows carried to the journal.", () => counters.JournaledRows);
        Count(ActorsTelemetry.FlushBatches, "{batch}", "Batches committed to the database.", () => counters.FlushedBatches);
        Count(ActorsTelemetry.FlushRows, "{row}", "Rows committed to the database.", () => counters.FlushedRows);
        Count(ActorsTelemetry.FlushFailures, "{attempt}", "Failed attempts to commit a batch.", () => counters.FlushFailures);
        Count(ActorsTelemetry.FenceHits, "{row}", "Rows the database refused for a later version.", () => counters.FenceHits);
        Count(ActorsTelemetry.ParkedRows, "{row}", "Rows the database refused for what they hold, and that were parked.", () => counters.ParkedRows);
        Count(ActorsTelemetry.RecoveredRows, "{row}", "Rows taken over from silos that have gone.", () => counters.RecoveredRows);
        _meter.CreateObservableGauge(ActorsTelemetry.UnflushedRows, () => table.Backlog.Rows, "{row}", "Rows not yet in the database.");
        _meter.CreateObservableGauge(ActorsTelemetry.UnflushedBytes, () => table.Backlog.Bytes, "By", "Bytes not yet in the database.");
        _meter.CreateObservableGauge(
            ActorsTelemetry.UnflushedAge, () => table.Backlog.Oldest.TotalSeconds, "s", "How long the oldest unflushed row has waited.");
        _meter.CreateObservableCounter(
            ActorsTelemetry.CacheLookups,
            () => Lookups("memory", reads.Memory).Concat(Lookups("redis", reads.Redis)).Concat(Lookups("database", reads.Database)),
            "{lookup}", "Look-ups of users by layer and result.");
        RedisInstruments.AddTo(_meter, redis);

        // None where the cluster keeps its members elsewhere.
        foreach (var members in membership)
            Count(ActorsTelemetry.MembershipRepairs, "{repair}", "Repairs of the membership table in Redis.", () => members.Repairs);
    }

    // Nothing to start: that the silo looks for its participants is what makes the instruments.
    public void Participate(ISiloLifecycle observer)
    {
    }

    public void Dispose() => _meter.Dispose();

    private void Count(string name, string unit, string description, Func<long> observe) =>
        _meter.CreateObservableCounter(name, observe, unit, description);

    private static IEnumerable<Measurement<long>> Lookups(string layer, LayerStatus status) =>
    [
        new(status.Hits, Tag(ActorsTelemetry.LayerTag, layer), Tag(ActorsTelemetry.ResultTag, "hit")),
        new(status.Misses, Tag(ActorsTelemetry.LayerTag, layer), Tag(ActorsTelemetry.ResultTag, "miss")),
    ];

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value.ToLowerInvariant());
}
