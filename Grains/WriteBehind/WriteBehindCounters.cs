using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// The counters of write-behind since the silo started. Safe for any thread: updates are interlocked. Each figure is read
/// atomically, but not all at the same instant.
/// </summary>
/// <param name="meters">Creates the per-batch histograms; null for none.</param>
/// <param name="clock">The clock; null for the system's.</param>
internal sealed class WriteBehindCounters(IMeterFactory? meters = null, TimeProvider? clock = null)
{
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly BatchHistograms? _histograms = meters is null ? null : new(meters.Create(ActorsTelemetry.MeterName));
    private readonly LatencyWindow _flushLatency = new(clock ?? TimeProvider.System);
    private readonly long[] _writes = new long[3];
    private readonly long[] _entered = new long[4];
    private long _refusedWrites;
    private long _slowedWrites;
    private long _journalCommits;
    private long _journaledRows;
    private long _flushedBatches;
    private long _flushedRows;
    private long _fenceHits;
    private long _recoveredRows;
    private long _recoveries;
    private long _recoveredVersion;
    private long _flushFailures;
    private long _parkedRows;

    // The last error wins; if two lanes fail at once, either one will do.
    private volatile LastError? _lastFlushError;

    /// <summary>Script calls that appended rows to the journal.</summary>
    public long JournalCommits => Volatile.Read(ref _journalCommits);

    /// <summary>Rows appended by these calls.</summary>
    public long JournaledRows => Volatile.Read(ref _journaledRows);

    /// <summary>Batches committed to the database.</summary>
    public long FlushedBatches => Volatile.Read(ref _flushedBatches);

    /// <summary>Rows committed to the database.</summary>
    public long FlushedRows => Volatile.Read(ref _flushedRows);

    /// <summary>The time the database took per batch, over the last 30 to 60 s.</summary>
    public LatencySnapshot FlushLatency => _flushLatency.Snapshot();

    /// <summary>Rows that the database refused because it held the same or a later version.</summary>
    public long FenceHits => Volatile.Read(ref _fenceHits);

    /// <summary>Rows taken over from silos that left.</summary>
    public long RecoveredRows => Volatile.Read(ref _recoveredRows);

    /// <summary>How many recoveries found such rows: at most one per journal partition and membership change.</summary>
    public long Recoveries => Volatile.Read(ref _recoveries);

    /// <summary>The membership version up to which all rows of silos that left are taken over.</summary>
    public long RecoveredVersion => Volatile.Read(ref _recoveredVersion);

    /// <summary>Failed attempts to commit a batch; each is retried.</summary>
    public long FlushFailures => Volatile.Read(ref _flushFailures);

    /// <summary>The reason of the last failure; null if there was none.</summary>
    public string? LastFlushError => _lastFlushError?.Reason;

    /// <summary>The time of the last failure.</summary>
    public DateTimeOffset? LastFlushErrorAt => _lastFlushError?.At;

    /// <summary>Writes refused because the ceiling was reached.</summary>
    public long RefusedWrites => Volatile.Read(ref _refusedWrites);

    /// <summary>Writes that backpressure delayed.</summary>
    public long SlowedWrites => Volatile.Read(ref _slowedWrites);

    /// <summary>Rows that were parked because the database refused their content; a key counts each time it is parked.</summary>
    public long ParkedRows => Volatile.Read(ref _parkedRows);

    /// <summary>Writes acknowledged with <paramref name="durability"/>.</summary>
    public long Writes(Durability durability) => Volatile.Read(ref _writes[(int)durability]);

    /// <summary>How often <paramref name="state"/> was entered.</summary>
    public long Transitions(WriteBehindState state) => Volatile.Read(ref _entered[(int)state]);

    /// <summary>A timestamp to pass to a method that records a duration.</summary>
    internal long Start() => _clock.GetTimestamp();

    internal void Acknowledged(Durability durability) => Interlocked.Increment(ref _writes[(int)durability]);

    internal void RecoveredUpTo(MembershipVersion version) => Volatile.Write(ref _recoveredVersion, version.Value);

    internal void JournalCommitted(int rows, long started)
    {
        Interlocked.Increment(ref _journalCommits);
        Interlocked.Add(ref _journaledRows, rows);
        _histograms?.JournalCommitted(rows, _clock.GetElapsedTime(started));
    }

    internal void Flushed(int rows, long started)
    {
        Interlocked.Increment(ref _flushedBatches);
        Interlocked.Add(ref _flushedRows, rows);
        var now = _clock.GetTimestamp();
        var elapsed = _clock.GetElapsedTime(started, now);
        _flushLatency.Record(elapsed, now);
        _histograms?.Flushed(rows, elapsed);
    }

    internal void FenceHit() => Interlocked.Increment(ref _fenceHits);

    internal void Parked() => Interlocked.Increment(ref _parkedRows);

    internal void Recovered() => Interlocked.Increment(ref _recoveredRows);

    internal void RecoveryDone() => Interlocked.Increment(ref _recoveries);

    internal void FlushFailed(Exception error)
    {
        Interlocked.Increment(ref _flushFailures);
        _lastFlushError = new(error.Message, _clock.GetUtcNow());
    }

    internal void Held(string reason) => _lastFlushError = new(reason, _clock.GetUtcNow());

    internal void Refused() => Interlocked.Increment(ref _refusedWrites);

    internal void Slowed() => Interlocked.Increment(ref _slowedWrites);

    internal void Entered(WriteBehindState state) => Interlocked.Increment(ref _entered[(int)state]);
}
