using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// What write-behind has done since the silo started. Any thread counts, with interlocked adds; readers see each figure
/// whole, though not all at one instant.
/// </summary>
/// <param name="meters">Makes the histograms, which are recorded per batch; null for none.</param>
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

    // The last one counts; whichever of two lanes that fail at once wins is as good as the other.
    private volatile LastError? _lastFlushError;

    /// <summary>Script calls that carried rows to the journal.</summary>
    public long JournalCommits => Volatile.Read(ref _journalCommits);

    /// <summary>Rows they carried.</summary>
    public long JournaledRows => Volatile.Read(ref _journaledRows);

    /// <summary>Batches committed to the database.</summary>
    public long FlushedBatches => Volatile.Read(ref _flushedBatches);

    /// <summary>Rows committed to the database.</summary>
    public long FlushedRows => Volatile.Read(ref _flushedRows);

    /// <summary>How long the database took for a batch in the last half minute to minute.</summary>
    public LatencySnapshot FlushLatency => _flushLatency.Snapshot();

    /// <summary>Rows that the database refused since it held the same or a later version.</summary>
    public long FenceHits => Volatile.Read(ref _fenceHits);

    /// <summary>Rows taken over from silos that have gone.</summary>
    public long RecoveredRows => Volatile.Read(ref _recoveredRows);

    /// <summary>How often there were such rows: at most once per partition of the journal and change of the membership.</summary>
    public long Recoveries => Volatile.Read(ref _recoveries);

    /// <summary>The version of the membership up to which all rows of silos that left are taken over.</summary>
    public long RecoveredVersion => Volatile.Read(ref _recoveredVersion);

    /// <summary>Attempts to commit a batch that failed; each is repeated.</summary>
    public long FlushFailures => Volatile.Read(ref _flushFailures);

    /// <summary>Why the last of them failed; null where none has.</summary>
    public string? LastFlushError => _lastFlushError?.Reason;

    /// <summary>When that was.</summary>
    public DateTimeOffset? LastFlushErrorAt => _lastFlushError?.At;

    /// <summary>Writes refused since the ceiling was reached.</summary>
    public long RefusedWrites => Volatile.Read(ref _refusedWrites);

    /// <summary>Writes that were held back before they were made.</summary>
    public long SlowedWrites => Volatile.Read(ref _slowedWrites);

    /// <summary>Rows that the database refused for what they hold, and that were parked; of a key each time anew.</summary>
    public long ParkedRows => Volatile.Read(ref _parkedRows);

    /// <summary>Writes acknowledged with <paramref name="durability"/>.</summary>
    public long Writes(Durability durability) => Volatile.Read(ref _writes[(int)durability]);

    /// <summary>How often <paramref name="state"/> was entered.</summary>
    public long Transitions(WriteBehindState state) => Volatile.Read(ref _entered[(int)state]);

    /// <summary>Now, for what is told how long it took.</summary>
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
