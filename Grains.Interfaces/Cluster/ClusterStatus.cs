namespace Actors;

/// <summary>Every active silo of the cluster at one moment.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ClusterStatus")]
public sealed record ClusterStatus
{
    /// <summary>The active silos, by address.</summary>
    [Id(0)] public required SiloReport[] Silos { get; init; }

    /// <summary>The silos that are stopping: they flush rows that are not in the database yet, and hand over their grains.</summary>
    [Id(1)] public string[] StoppingSilos { get; init; } = [];

    /// <summary>The membership version of this status; it grows with each silo that joins or leaves.</summary>
    [Id(2)] public long MembershipVersion { get; init; }
}

/// <summary>One silo at one moment; counts are since its start.</summary>
[GenerateSerializer, Immutable, Alias("Actors.SiloReport")]
public sealed record SiloReport
{
    /// <summary>The silo's address, e.g. "127.0.0.1:11111@1234".</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>False if the silo did not answer in time; all figures are zero then.</summary>
    [Id(1)] public required bool IsResponding { get; init; }

    /// <summary>The version of the silo's software.</summary>
    [Id(2)] public string Version { get; init; } = "";

    /// <summary>How long the silo has been up.</summary>
    [Id(3)] public TimeSpan Uptime { get; init; }

    /// <summary>The write-behind of the silo.</summary>
    [Id(4)] public WriteBehindStatus WriteBehind { get; init; } = new();

    /// <summary>The reads of the silo, by layer.</summary>
    [Id(5)] public CacheStatus Cache { get; init; } = new();

    /// <summary>The circuit breaker of the silo; null if the silo did not answer.</summary>
    [Id(6)] public BreakerSnapshot? Breaker { get; init; }

    /// <summary>The limiters on the silo.</summary>
    [Id(7)] public RateLimitStatus RateLimits { get; init; } = new();

    /// <summary>The users in the silo's memory.</summary>
    [Id(8)] public ActiveUsersStatus Users { get; init; } = new();
}

/// <summary>The users in the memory of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ActiveUsersStatus")]
public sealed record ActiveUsersStatus
{
    /// <summary>Active user grains, including those of ids without a user.</summary>
    [Id(0)] public long Active { get; init; }

    /// <summary>The bytes of memory they use.</summary>
    [Id(1)] public long Bytes { get; init; }

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    [Id(2)] public long MaxBytes { get; init; }

    /// <summary>Users evicted early to make room for others.</summary>
    [Id(3)] public long Shed { get; init; }

    /// <summary>Calls refused because there was no memory for them.</summary>
    [Id(4)] public long Refused { get; init; }
}

/// <summary>The limiters of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitStatus")]
public sealed record RateLimitStatus
{
    /// <summary>Clients on the silo now.</summary>
    [Id(0)] public long Clients { get; init; }

    /// <summary>Calls that were granted.</summary>
    [Id(1)] public long Allowed { get; init; }

    /// <summary>Calls that were denied.</summary>
    [Id(2)] public long Denied { get; init; }

    /// <summary>Calls granted only because their policy is in shadow mode; not included in <see cref="Allowed"/>.</summary>
    [Id(3)] public long ShadowDenied { get; init; }

    /// <summary>Decisions made without Redis; included in the three above.</summary>
    [Id(4)] public long Local { get; init; }

    /// <summary>Denials from the silo's own copy of the log, without a call to Redis, while Redis was available.</summary>
    [Id(5)] public long Mirrored { get; init; }

    /// <summary>Calls that are waiting for their turn.</summary>
    [Id(6)] public long Waiting { get; init; }

    /// <summary>Script calls to Redis; each carries the requests of many clients.</summary>
    [Id(7)] public long ScriptCalls { get; init; }

    /// <summary>The bytes of the grant logs in the silo's memory.</summary>
    [Id(8)] public long Bytes { get; init; }

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    [Id(9)] public long MaxBytes { get; init; }

    /// <summary>Clients with grants that are not in Redis yet.</summary>
    [Id(10)] public long Unsynced { get; init; }

    /// <summary>Decisions of any outcome.</summary>
    public long Decisions => Allowed + Denied + ShadowDenied;

    /// <summary>Decisions per script call; null if there were no script calls yet.</summary>
    public double? DecisionsPerCall => ScriptCalls == 0 ? null : (double)Decisions / ScriptCalls;
}

/// <summary>The write-behind of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.WriteBehindStatus")]
public sealed record WriteBehindStatus
{
    /// <summary>Writes acknowledged in memory.</summary>
    [Id(0)] public long MemoryWrites { get; init; }

    /// <summary>Writes acknowledged from the journal.</summary>
    [Id(1)] public long JournalWrites { get; init; }

    /// <summary>Writes acknowledged from the database.</summary>
    [Id(2)] public long DatabaseWrites { get; init; }

    /// <summary>Batches committed to the database.</summary>
    [Id(3)] public long FlushedBatches { get; init; }

    /// <summary>Rows committed to the database; fewer than writes if several writes of a user were coalesced.</summary>
    [Id(4)] public long FlushedRows { get; init; }

    /// <summary>Rows not yet in the database.</summary>
    [Id(5)] public long UnflushedRows { get; init; }

    /// <summary>Bytes not yet in the database.</summary>
    [Id(6)] public long UnflushedBytes { get; init; }

    /// <summary>How long the oldest unflushed row has waited.</summary>
    [Id(7)] public TimeSpan OldestUnflushed { get; init; }

    /// <summary>Rows the database refused because it held a later version.</summary>
    [Id(8)] public long FenceHits { get; init; }

    /// <summary>Script calls that appended writes to the journal.</summary>
    [Id(9)] public long JournalCommits { get; init; }

    /// <summary>The current state of backpressure.</summary>
    [Id(10)] public WriteBehindState State { get; init; }

    /// <summary>The ceiling on <see cref="UnflushedBytes"/>.</summary>
    [Id(11)] public long MaxUnflushedBytes { get; init; }

    /// <summary>Rows that script calls appended to the journal.</summary>
    [Id(12)] public long JournaledRows { get; init; }

    /// <summary>Journaled rows taken over from silos that left.</summary>
    [Id(13)] public long RecoveredRows { get; init; }

    /// <summary>Failed attempts to commit a batch; each is retried.</summary>
    [Id(14)] public long FlushFailures { get; init; }

    /// <summary>The reason of the last failure; null if there was none.</summary>
    [Id(15)] public string? LastFlushError { get; init; }

    /// <summary>The median time the database took for a batch over the last 30 to 60 s; zero if there was none.</summary>
    [Id(16)] public TimeSpan FlushP50 { get; init; }

    /// <summary>The 99th percentile of the same time.</summary>
    [Id(17)] public TimeSpan FlushP99 { get; init; }

    /// <summary>Writes refused because the ceiling was reached.</summary>
    [Id(18)] public long RefusedWrites { get; init; }

    /// <summary>Writes that backpressure delayed.</summary>
    [Id(19)] public long SlowedWrites { get; init; }

    /// <summary>Rows that were parked because the database refused their content; <see cref="IWriteBehindGrain"/> lists those parked now.</summary>
    [Id(20)] public long ParkedRows { get; init; }

    /// <summary>Rows that can be neither committed nor parked at present and are retried; included in <see cref="UnflushedRows"/>.</summary>
    [Id(21)] public long HeldRows { get; init; }

    /// <summary>When <see cref="LastFlushError"/> occurred, by the silo's clock; null if there is none, or if an older silo reports it.</summary>
    [Id(22)] public DateTimeOffset? LastFlushErrorAt { get; init; }

    /// <summary>
    /// The <see cref="ClusterStatus.MembershipVersion"/> up to which the silo has taken over the journaled rows of all silos that left.
    /// Null if an older silo does not report it.
    /// </summary>
    [Id(23)] public long? RecoveredVersion { get; init; }

    /// <summary>Acknowledged writes of any durability.</summary>
    public long Writes => MemoryWrites + JournalWrites + DatabaseWrites;

    /// <summary>Writes per row committed to the database, the saving of coalescing. Null if there were no rows yet.</summary>
    public double? CoalesceRatio => FlushedRows == 0 ? null : (double)Writes / FlushedRows;

    /// <summary>Rows per batch committed to the database. Null if there were no batches yet.</summary>
    public double? AverageBatch => FlushedBatches == 0 ? null : (double)FlushedRows / FlushedBatches;

    /// <summary>The share of <see cref="MaxUnflushedBytes"/> that is in use; 0 if the silo did not report it.</summary>
    public double Fill => MaxUnflushedBytes == 0 ? 0 : (double)UnflushedBytes / MaxUnflushedBytes;
}

/// <summary>The reads of one silo, by the layer that answered.</summary>
[GenerateSerializer, Immutable, Alias("Actors.CacheStatus")]
public sealed record CacheStatus
{
    /// <summary>Calls that found the user in memory, and calls that did not.</summary>
    [Id(0)] public LayerStatus Memory { get; init; } = new();

    /// <summary>Look-ups in Redis (journal or cache), after a miss in memory.</summary>
    [Id(1)] public LayerStatus Redis { get; init; } = new();

    /// <summary>Look-ups in the database, after a miss in Redis. A miss here means that there is no such user.</summary>
    [Id(2)] public LayerStatus Database { get; init; } = new();
}

/// <summary>Hits and misses of one layer.</summary>
[GenerateSerializer, Immutable, Alias("Actors.LayerStatus")]
public sealed record LayerStatus
{
    /// <summary>Look-ups answered by this layer.</summary>
    [Id(0)] public long Hits { get; init; }

    /// <summary>Look-ups passed on to the next layer.</summary>
    [Id(1)] public long Misses { get; init; }

    /// <summary>Hits per look-up, 0 to 1; 0 if there were no look-ups.</summary>
    public double HitRate => Hits + Misses == 0 ? 0 : (double)Hits / (Hits + Misses);
}
