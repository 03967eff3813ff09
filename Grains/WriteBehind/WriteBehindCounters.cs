namespace Actors.WriteBehind;

/// <summary>
/// What write-behind has done since the silo started. Any thread counts, with interlocked adds; readers see each figure
/// whole, though not all at one instant.
/// </summary>
public sealed class WriteBehindCounters
{
    private readonly long[] _writes = new long[3];
    private long _journalCommits;
    private long _journaledRows;
    private long _flushedBatches;
    private long _flushedRows;
    private long _fenceHits;
    private long _recoveredRows;
    private long _flushFailures;
    private long _parkedRows;

    /// <summary>Script calls that carried rows to the journal.</summary>
    public long JournalCommits => Volatile.Read(ref _journalCommits);

    /// <summary>Rows they carried.</summary>
    public long JournaledRows => Volatile.Read(ref _journaledRows);

    /// <summary>Batches committed to the database.</summary>
    public long FlushedBatches => Volatile.Read(ref _flushedBatches);

    /// <summary>Rows committed to the database.</summary>
    public long FlushedRows => Volatile.Read(ref _flushedRows);

    /// <summary>Rows that the database refused since it held the same or a later version.</summary>
    public long FenceHits => Volatile.Read(ref _fenceHits);

    /// <summary>Rows taken over from silos that have gone.</summary>
    public long RecoveredRows => Volatile.Read(ref _recoveredRows);

    /// <summary>Attempts to commit a batch that failed; each is repeated.</summary>
    public long FlushFailures => Volatile.Read(ref _flushFailures);

    /// <summary>Rows that the database refused for what they hold, and that were parked; of a key each time anew.</summary>
    public long ParkedRows => Volatile.Read(ref _parkedRows);

    /// <summary>Writes acknowledged with <paramref name="durability"/>.</summary>
    public long Writes(Durability durability) => Volatile.Read(ref _writes[(int)durability]);

    internal void Acknowledged(Durability durability) => Interlocked.Increment(ref _writes[(int)durability]);

    internal void JournalCommitted(int rows)
    {
        Interlocked.Increment(ref _journalCommits);
        Interlocked.Add(ref _journaledRows, rows);
    }

    internal void Flushed(int rows)
    {
        Interlocked.Increment(ref _flushedBatches);
        Interlocked.Add(ref _flushedRows, rows);
    }

    internal void FenceHit() => Interlocked.Increment(ref _fenceHits);

    internal void Parked() => Interlocked.Increment(ref _parkedRows);

    internal void Recovered() => Interlocked.Increment(ref _recoveredRows);

    internal void FlushFailed() => Interlocked.Increment(ref _flushFailures);
}
