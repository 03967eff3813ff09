namespace Actors;

/// <summary>Every active silo of the cluster as it was at one moment.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ClusterStatus")]
public sealed record ClusterStatus
{
    /// <summary>The active silos, by address.</summary>
    [Id(0)] public required SiloReport[] Silos { get; init; }

    /// <summary>The silos that are stopping: they flush what is not in the database yet, and hand over their grains.</summary>
    [Id(1)] public string[] StoppingSilos { get; init; } = [];

    /// <summary>The version of the membership that this is of; it grows with each silo that joins or leaves.</summary>
    [Id(2)] public long MembershipVersion { get; init; }
}

/// <summary>One silo as it was at one moment; counts are since its start.</summary>
[GenerateSerializer, Immutable, Alias("Actors.SiloReport")]
public sealed record SiloReport
{
    /// <summary>The silo's address, e.g. "127.0.0.1:11111@1234".</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>False where the silo did not answer in time; the figures are then all zero.</summary>
    [Id(1)] public required bool IsResponding { get; init; }

    /// <summary>The version of the silo's software.</summary>
    [Id(2)] public string Version { get; init; } = "";

    /// <summary>How long the silo has been up.</summary>
    [Id(3)] public TimeSpan Uptime { get; init; }

    /// <summary>Its write-behind.</summary>
    [Id(4)] public WriteBehindStatus WriteBehind { get; init; } = new();

    /// <summary>Its reads, layer by layer.</summary>
    [Id(5)] public CacheStatus Cache { get; init; } = new();

    /// <summary>Its way to Redis; null where the silo did not answer.</summary>
    [Id(6)] public BreakerSnapshot? Breaker { get; init; }

    /// <summary>The limiters that are on it.</summary>
    [Id(7)] public RateLimitStatus RateLimits { get; init; } = new();

    /// <summary>The users in its memory.</summary>
    [Id(8)] public ActiveUsersStatus Users { get; init; } = new();
}

/// <summary>The users in the memory of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ActiveUsersStatus")]
public sealed record ActiveUsersStatus
{
    /// <summary>Activations of users that are in memory now, of ids without a user as well.</summary>
    [Id(0)] public long Active { get; init; }

    /// <summary>Bytes of memory they take.</summary>
    [Id(1)] public long Bytes { get; init; }

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    [Id(2)] public long MaxBytes { get; init; }

    /// <summary>Users that left memory early to make room for others.</summary>
    [Id(3)] public long Shed { get; init; }

    /// <summary>Calls that were refused since there was no memory for them.</summary>
    [Id(4)] public long Refused { get; init; }
}

/// <summary>The limiters of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitStatus")]
public sealed record RateLimitStatus
{
    /// <summary>Clients that are on the silo now.</summary>
    [Id(0)] public long Clients { get; init; }

    /// <summary>Calls that were granted.</summary>
    [Id(1)] public long Allowed { get; init; }

    /// <summary>Calls that were denied.</summary>
    [Id(2)] public long Denied { get; init; }

    /// <summary>Calls that were granted only since their policy is in shadow mode; not among <see cref="Allowed"/>.</summary>
    [Id(3)] public long ShadowDenied { get; init; }

    /// <summary>Decisions made without Redis, of the three above.</summary>
    [Id(4)] public long Local { get; init; }

    /// <summary>Denials from the silo's own copy of the log, without a call to Redis, while Redis was there.</summary>
    [Id(5)] public long Mirrored { get; init; }

    /// <summary>Calls that wait for their turn now.</summary>
    [Id(6)] public long Waiting { get; init; }

    /// <summary>Script calls to Redis; each carries what was asked of many clients.</summary>
    [Id(7)] public long ScriptCalls { get; init; }

    /// <summary>Bytes of the logs of grants that the silo holds.</summary>
    [Id(8)] public long Bytes { get; init; }

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    [Id(9)] public long MaxBytes { get; init; }

    /// <summary>Clients with grants that are not in Redis yet.</summary>
    [Id(10)] public long Unsynced { get; init; }

    /// <summary>Decisions of any outcome.</summary>
    public long Decisions => Allowed + Denied + ShadowDenied;

    /// <summary>Decisions per script call. Null where there was none yet.</summary>
    public double? DecisionsPerCall => ScriptCalls == 0 ? null : (double)Decisions / ScriptCalls;
}

/// <summary>The write-behind of one silo.</summary>
[GenerateSerializer, Immutable, Alias("Actors.WriteBehindStatus")]
public sealed record WriteBehindStatus
{
    /// <summary>Writes acknowledged once in memory.</summary>
    [Id(0)] public long MemoryWrites { get; init; }

    /// <summary>Writes acknowledged once in the journal.</summary>
    [Id(1)] public long JournalWrites { get; init; }

    /// <summary>Writes acknowledged once in the database.</summary>
    [Id(2)] public long DatabaseWrites { get; init; }

    /// <summary>Batches committed to the database.</summary>
    [Id(3)] public long FlushedBatches { get; init; }

    /// <summary>Rows committed to the database; fewer than writes where several writes of a user were coalesced.</summary>
    [Id(4)] public long FlushedRows { get; init; }

    /// <summary>Rows not yet in the database.</summary>
    [Id(5)] public long UnflushedRows { get; init; }

    /// <summary>Bytes not yet in the database.</summary>
    [Id(6)] public long UnflushedBytes { get; init; }

    /// <summary>How long the oldest of them has waited.</summary>
    [Id(7)] public TimeSpan OldestUnflushed { get; init; }

    /// <summary>Rows the database refused because it held a later version.</summary>
    [Id(8)] public long FenceHits { get; init; }

    /// <summary>Script calls that carried writes to the journal.</summary>
    [Id(9)] public long JournalCommits { get; init; }

    /// <summary>What it does with writes at present.</summary>
    [Id(10)] public WriteBehindState State { get; init; }

    /// <summary>The ceiling on <see cref="UnflushedBytes"/>.</summary>
    [Id(11)] public long MaxUnflushedBytes { get; init; }

    /// <summary>Rows that script calls carried to the journal.</summary>
    [Id(12)] public long JournaledRows { get; init; }

    /// <summary>Journaled rows taken over from silos that have gone.</summary>
    [Id(13)] public long RecoveredRows { get; init; }

    /// <summary>Attempts to commit a batch that failed; each is repeated.</summary>
    [Id(14)] public long FlushFailures { get; init; }

    /// <summary>Why the last of them failed; null where none has.</summary>
    [Id(15)] public string? LastFlushError { get; init; }

    /// <summary>How long the database took for half of the batches of the last half minute to minute, at most; zero where there was none.</summary>
    [Id(16)] public TimeSpan FlushP50 { get; init; }

    /// <summary>As <see cref="FlushP50"/>, for 99 of 100.</summary>
    [Id(17)] public TimeSpan FlushP99 { get; init; }

    /// <summary>Writes refused since the ceiling was reached.</summary>
    [Id(18)] public long RefusedWrites { get; init; }

    /// <summary>Writes that were held back before they were made.</summary>
    [Id(19)] public long SlowedWrites { get; init; }

    /// <summary>Rows the database refused for what they hold, and that were parked; what is parked now tells <see cref="IWriteBehindGrain"/>.</summary>
    [Id(20)] public long ParkedRows { get; init; }

    /// <summary>Rows that can be neither committed nor parked at present, and are tried again apart from the others; among <see cref="UnflushedRows"/>.</summary>
    [Id(21)] public long HeldRows { get; init; }

    /// <summary>When <see cref="LastFlushError"/> was, by the silo's clock; null if there is none, or a silo of an older version tells of it.</summary>
    [Id(22)] public DateTimeOffset? LastFlushErrorAt { get; init; }

    /// <summary>
    /// The silo has taken over the journaled rows of all silos that had left by this <see cref="ClusterStatus.MembershipVersion"/>; null
    /// if a silo of an older version does not tell.
    /// </summary>
    [Id(23)] public long? RecoveredVersion { get; init; }

    /// <summary>Acknowledged writes of any durability.</summary>
    public long Writes => MemoryWrites + JournalWrites + DatabaseWrites;

    /// <summary>Writes per row committed to the database: what coalescing saves it. Null where there was none yet.</summary>
    public double? CoalesceRatio => FlushedRows == 0 ? null : (double)Writes / FlushedRows;

    /// <summary>Rows per batch committed to the database. Null where there was none yet.</summary>
    public double? AverageBatch => FlushedBatches == 0 ? null : (double)FlushedRows / FlushedBatches;

    /// <summary>The share of <see cref="MaxUnflushedBytes"/> that is in use; 0 where the silo did not say.</summary>
    public double Fill => MaxUnflushedBytes == 0 ? 0 : (double)UnflushedBytes / MaxUnflushedBytes;
}

/// <summary>Where the reads of one silo were answered.</summary>
[GenerateSerializer, Immutable, Alias("Actors.CacheStatus")]
public sealed record CacheStatus
{
    /// <summary>Calls that found the user in memory, and calls that did not.</summary>
    [Id(0)] public LayerStatus Memory { get; init; } = new();

    /// <summary>Of those that did not: found in Redis (journal or cache), or not.</summary>
    [Id(1)] public LayerStatus Redis { get; init; } = new();

    /// <summary>Of those that did not: found in the database, or in no place at all.</summary>
    [Id(2)] public LayerStatus Database { get; init; } = new();
}

/// <summary>Hits and misses of one layer.</summary>
[GenerateSerializer, Immutable, Alias("Actors.LayerStatus")]
public sealed record LayerStatus
{
    /// <summary>Look-ups answered by this layer.</summary>
    [Id(0)] public long Hits { get; init; }

    /// <summary>Look-ups passed on to the next one.</summary>
    [Id(1)] public long Misses { get; init; }

    /// <summary>Hits per look-up, 0 to 1; 0 where there was none.</summary>
    public double HitRate => Hits + Misses == 0 ? 0 : (double)Hits / (Hits + Misses);
}
