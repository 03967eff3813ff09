namespace Actors.Diagnostics;

/// <summary>The names under which a silo can be observed (OpenTelemetry). Stable: dashboards and alerts are built on them.</summary>
public static class ActorsTelemetry
{
    /// <summary>The meter of all instruments below.</summary>
    public const string MeterName = "Actors";

    /// <summary>Counter, {write}: acknowledged writes; <see cref="DurabilityTag"/>: memory, journal, database.</summary>
    public const string Writes = "actors.writes";

    /// <summary>Counter, {commit}: script calls that carried rows to the journal.</summary>
    public const string JournalCommits = "actors.journal.commits";

    /// <summary>Counter, {row}: rows they carried.</summary>
    public const string JournalRows = "actors.journal.rows";

    /// <summary>Counter, {batch}: batches committed to the database.</summary>
    public const string FlushBatches = "actors.flush.batches";

    /// <summary>Counter, {row}: rows committed to the database.</summary>
    public const string FlushRows = "actors.flush.rows";

    /// <summary>Counter, {attempt}: attempts to commit a batch that failed, each to be repeated.</summary>
    public const string FlushFailures = "actors.flush.failures";

    /// <summary>Counter, {row}: rows the database refused since it held the same or a later version.</summary>
    public const string FenceHits = "actors.flush.fence_hits";

    /// <summary>Counter, {row}: journaled rows taken over from silos that have gone.</summary>
    public const string RecoveredRows = "actors.journal.recovered_rows";

    /// <summary>Gauge, {row}: rows not yet in the database.</summary>
    public const string UnflushedRows = "actors.unflushed.rows";

    /// <summary>Gauge, By: bytes not yet in the database.</summary>
    public const string UnflushedBytes = "actors.unflushed.bytes";

    /// <summary>Gauge, s: how long the oldest of them has waited.</summary>
    public const string UnflushedAge = "actors.unflushed.age";

    /// <summary>
    /// Counter, {lookup}: look-ups of users; <see cref="LayerTag"/>: memory, redis, database; <see cref="ResultTag"/>: hit,
    /// miss. A miss goes on to the next layer.
    /// </summary>
    public const string CacheLookups = "actors.cache.lookups";

    /// <summary>The durability a write has reached.</summary>
    public const string DurabilityTag = "durability";

    /// <summary>The layer that was asked.</summary>
    public const string LayerTag = "layer";

    /// <summary>Whether it answered.</summary>
    public const string ResultTag = "result";
}
