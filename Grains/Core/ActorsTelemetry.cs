namespace Actors.Core;

/// <summary>The names under which a silo can be observed (OpenTelemetry). Stable: dashboards and alerts are built on them.</summary>
public static class ActorsTelemetry
{
    /// <summary>The meter of all instruments below.</summary>
    public const string MeterName = "Actors";

    /// <summary>Gauge, s: by how much this machine's clock is ahead of another; <see cref="ClockTag"/>: whose.</summary>
    public const string ClockSkew = "actors.clock.skew";

    /// <summary>Whose clock it is.</summary>
    public const string ClockTag = "clock";

    /// <summary>Counter, {write}: acknowledged writes; <see cref="DurabilityTag"/>: memory, journal, database.</summary>
    public const string Writes = "actors.writes";

    /// <summary>Counter, {commit}: script calls that carried rows to the journal.</summary>
    public const string JournalCommits = "actors.journal.commits";

    /// <summary>Counter, {row}: rows they carried.</summary>
    public const string JournalRows = "actors.journal.rows";

    /// <summary>Histogram, {row}: rows per script call to the journal.</summary>
    public const string JournalCommitRows = "actors.journal.commit_rows";

    /// <summary>Histogram, s: how long a script call to the journal took.</summary>
    public const string JournalCommitDuration = "actors.journal.commit_duration";

    /// <summary>Gauge, {row}: rows in the journal, of all silos together; every silo tells the same, a few seconds old.</summary>
    public const string JournalSize = "actors.journal.size";

    /// <summary>Counter, {batch}: batches committed to the database.</summary>
    public const string FlushBatches = "actors.flush.batches";

    /// <summary>Counter, {row}: rows committed to the database.</summary>
    public const string FlushRows = "actors.flush.rows";

    /// <summary>Histogram, {row}: rows per batch committed to the database.</summary>
    public const string FlushBatchRows = "actors.flush.batch_rows";

    /// <summary>Histogram, s: how long the database took to commit a batch.</summary>
    public const string FlushDuration = "actors.flush.duration";

    /// <summary>Gauge: acknowledged writes per row committed to the database, since the silo's start.</summary>
    public const string CoalesceRatio = "actors.flush.coalesce_ratio";

    /// <summary>Counter, {attempt}: attempts to commit a batch that failed, each to be repeated.</summary>
    public const string FlushFailures = "actors.flush.failures";

    /// <summary>Counter, {row}: rows the database refused since it held the same or a later version.</summary>
    public const string FenceHits = "actors.flush.fence_hits";

    /// <summary>Counter, {row}: rows the database refused for what they hold, each parked beside the table.</summary>
    public const string ParkedRows = "actors.flush.parked";

    /// <summary>Gauge, {row}: rows that can be neither committed nor parked at present.</summary>
    public const string HeldRows = "actors.flush.held_rows";

    /// <summary>Counter, {row}: journaled rows taken over from silos that have gone.</summary>
    public const string RecoveredRows = "actors.journal.recovered_rows";

    /// <summary>Counter, {recovery}: how often there were such rows in a partition of the journal.</summary>
    public const string Recoveries = "actors.journal.recoveries";

    /// <summary>Gauge: the state of backpressure: 0 buffering, 1 slowing, 2 writing through, 3 refusing.</summary>
    public const string WriteBehindState = "actors.writebehind.state";

    /// <summary>Counter, {transition}: how often a state of backpressure was entered; <see cref="StateTag"/>: buffering, slowing, writingthrough, refusing.</summary>
    public const string WriteBehindTransitions = "actors.writebehind.transitions";

    /// <summary>Counter, {write}: writes refused since the ceiling was reached.</summary>
    public const string RefusedWrites = "actors.writebehind.refused";

    /// <summary>Counter, {write}: writes that were held back before they were made.</summary>
    public const string SlowedWrites = "actors.writebehind.slowed";

    /// <summary>Gauge, By: the ceiling on the bytes not yet in the database.</summary>
    public const string UnflushedCeiling = "actors.unflushed.ceiling";

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

    /// <summary>Gauge, {user}: users in memory.</summary>
    public const string ActiveUsers = "actors.users.active";

    /// <summary>Gauge, By: memory they take.</summary>
    public const string ActiveUserBytes = "actors.users.memory";

    /// <summary>Gauge, By: the ceiling on it.</summary>
    public const string ActiveUserCeiling = "actors.users.memory.ceiling";

    /// <summary>Counter, {user}: users that left memory early to make room for others.</summary>
    public const string ShedUsers = "actors.users.shed";

    /// <summary>Counter, {call}: calls for users that were refused since there was no memory for them.</summary>
    public const string RefusedUserCalls = "actors.users.refused";

    /// <summary>
    /// Counter, {call}: calls to Redis; <see cref="RedisTag"/>, <see cref="ResultTag"/>: made, failed (or slow; also among the
    /// made), rejected (not made, since the circuit was not closed).
    /// </summary>
    public const string RedisCalls = "actors.redis.calls";

    /// <summary>Gauge, s: how long answered calls took in the last half minute to minute; <see cref="RedisTag"/>, <see cref="PercentileTag"/>: 50, 95, 99.</summary>
    public const string RedisLatency = "actors.redis.latency";

    /// <summary>Gauge: a circuit's state: 0 closed, 1 half-open, 2 open, 3 isolated; <see cref="RedisTag"/>.</summary>
    public const string BreakerState = "actors.redis.breaker.state";

    /// <summary>Counter, {transition}: how often a circuit was opened or isolated; <see cref="RedisTag"/>.</summary>
    public const string BreakerBreaks = "actors.redis.breaker.breaks";

    /// <summary>Gauge, By: memory Redis uses, by its own account; <see cref="RedisTag"/>.</summary>
    public const string RedisMemory = "actors.redis.memory";

    /// <summary>Gauge, By: memory Redis may use, 0 without a limit; <see cref="RedisTag"/>.</summary>
    public const string RedisMemoryLimit = "actors.redis.memory.limit";

    /// <summary>Gauge, {connection}: connections of clients to Redis; <see cref="RedisTag"/>.</summary>
    public const string RedisConnections = "actors.redis.connections";

    /// <summary>Counter, {key}: keys Redis has evicted since its own start; <see cref="RedisTag"/>.</summary>
    public const string RedisEvictions = "actors.redis.evictions";

    /// <summary>Counter, {lookup}: look-ups in Redis by whomever, since its own start; <see cref="RedisTag"/>, <see cref="ResultTag"/>: hit, miss.</summary>
    public const string RedisLookups = "actors.redis.lookups";

    /// <summary>
    /// Counter, {decision}: decisions of limiters; <see cref="PolicyTag"/>; <see cref="OutcomeTag"/>: allowed, denied,
    /// shadowdenied; <see cref="SourceTag"/>: redis, reserve (of permits that Redis had charged ahead), mirror (the silo's exact copy
    /// said that the window is full), local (Redis was away).
    /// </summary>
    public const string LimitDecisions = "actors.limits.decisions";

    /// <summary>Counter, {call}: script calls of limiters to Redis; each carries what is asked of many clients.</summary>
    public const string LimitScripts = "actors.limits.scripts";

    /// <summary>Histogram, s: how long a script call of the limiters took.</summary>
    public const string LimitScriptDuration = "actors.limits.script_duration";

    /// <summary>Gauge: script calls per decision, since the silo's start.</summary>
    public const string LimitScriptsPerDecision = "actors.limits.scripts_per_decision";

    /// <summary>Gauge, {client}: limited clients that are on the silo.</summary>
    public const string LimitClients = "actors.limits.clients";

    /// <summary>Gauge, {call}: calls that wait for their turn.</summary>
    public const string LimitWaiting = "actors.limits.waiting";

    /// <summary>Gauge, {log}: logs with grants that Redis does not know.</summary>
    public const string LimitUnsynced = "actors.limits.unsynced";

    /// <summary>Gauge, By: memory of the logs of grants on the silo.</summary>
    public const string LimitBytes = "actors.limits.bytes";

    /// <summary>Gauge, By: the ceiling on it.</summary>
    public const string LimitCeiling = "actors.limits.ceiling";

    /// <summary>Counter, {repair}: how often this silo put something back into the membership table that Redis had lost.</summary>
    public const string MembershipRepairs = "actors.membership.repairs";

    /// <summary>The policy of a limiter; "(own)" for those of clients that are not configured.</summary>
    public const string PolicyTag = "policy";

    /// <summary>What was decided.</summary>
    public const string OutcomeTag = "outcome";

    /// <summary>What decided it.</summary>
    public const string SourceTag = "source";

    /// <summary>The address of a Redis.</summary>
    public const string RedisTag = "redis";

    /// <summary>How many of a hundred calls took no longer. Not "quantile", which Prometheus keeps for summaries.</summary>
    public const string PercentileTag = "percentile";

    /// <summary>The durability a write has reached.</summary>
    public const string DurabilityTag = "durability";

    /// <summary>The state that was entered.</summary>
    public const string StateTag = "state";

    /// <summary>The layer that was asked.</summary>
    public const string LayerTag = "layer";

    /// <summary>Whether it answered.</summary>
    public const string ResultTag = "result";
}
