namespace Actors.Core;

/// <summary>The names of a silo's telemetry (OpenTelemetry). They are stable because dashboards and alerts depend on them.</summary>
public static class ActorsTelemetry
{
    /// <summary>The meter of all instruments below.</summary>
    public const string MeterName = "Actors";

    /// <summary>Gauge, s: how far this machine's clock is ahead of another clock, named by <see cref="ClockTag"/>.</summary>
    public const string ClockSkew = "actors.clock.skew";

    /// <summary>The name of the other clock.</summary>
    public const string ClockTag = "clock";

    /// <summary>
    /// Counter, {call}: calls that came together with others in a message of a client app; <see cref="WayTag"/>: turn (the grain was
    /// active on this silo; a read of a user may need no turn), message (Orleans brought the call to its grain on this silo), forwarded
    /// (to another silo), returned (to the app, which makes the call by itself).
    /// </summary>
    public const string Calls = "actors.calls";

    /// <summary>How a call reached its grain.</summary>
    public const string WayTag = "way";

    /// <summary>Counter, {write}: acknowledged writes; <see cref="DurabilityTag"/>: memory, journal, database.</summary>
    public const string Writes = "actors.writes";

    /// <summary>Counter, {commit}: script calls that carried rows to the journal.</summary>
    public const string JournalCommits = "actors.journal.commits";

    /// <summary>Counter, {row}: rows they carried.</summary>
    public const string JournalRows = "actors.journal.rows";

    /// <summary>Histogram, s: duration of a script call to the journal.</summary>
    public const string JournalCommitRows = "actors.journal.commit_rows";

    /// <summary>Histogram, s: how long a script call to the journal took.</summary>
    public const string JournalCommitDuration = "actors.journal.commit_duration";

    /// <summary>Gauge, {row}: rows in the journal, all silos together. Every silo reports the same value, a few seconds old.</summary>
    public const string JournalSize = "actors.journal.size";

    /// <summary>Counter, {batch}: batches committed to the database.</summary>
    public const string FlushBatches = "actors.flush.batches";

    /// <summary>Counter, {row}: rows committed to the database.</summary>
    public const string FlushRows = "actors.flush.rows";

    /// <summary>Histogram, {row}: rows per batch committed to the database.</summary>
    public const string FlushBatchRows = "actors.flush.batch_rows";

    /// <summary>Histogram, s: time the database took to commit a batch.</summary>
    public const string FlushDuration = "actors.flush.duration";

    /// <summary>Gauge: acknowledged writes per row committed to the database, since the silo's start.</summary>
    public const string CoalesceRatio = "actors.flush.coalesce_ratio";

    /// <summary>Counter, {attempt}: failed attempts to commit a batch. Each is retried.</summary>
    public const string FlushFailures = "actors.flush.failures";

    /// <summary>Counter, {row}: rows the database refused because it already held the same or a later version.</summary>
    public const string FenceHits = "actors.flush.fence_hits";

    /// <summary>Counter, {row}: rows the database refused because of their content. Each is parked beside the table.</summary>
    public const string ParkedRows = "actors.flush.parked";

    /// <summary>Gauge, {row}: rows that can currently be neither committed nor parked.</summary>
    public const string HeldRows = "actors.flush.held_rows";

    /// <summary>Counter, {row}: journaled rows recovered from silos that left the cluster.</summary>
    public const string RecoveredRows = "actors.journal.recovered_rows";

    /// <summary>Counter, {recovery}: recoveries of such rows from a partition of the journal.</summary>
    public const string Recoveries = "actors.journal.recoveries";

    /// <summary>Gauge: backpressure state: 0 buffering, 1 slowing, 2 writing through, 3 refusing.</summary>
    public const string WriteBehindState = "actors.writebehind.state";

    /// <summary>
    /// Counter, {transition}: transitions into a backpressure state; <see cref="StateTag"/>: buffering, slowing,
    /// writingthrough, refusing.
    /// </summary>
    public const string WriteBehindTransitions = "actors.writebehind.transitions";

    /// <summary>Counter, {write}: writes refused because the ceiling was reached.</summary>
    public const string RefusedWrites = "actors.writebehind.refused";

    /// <summary>Counter, {write}: writes delayed by backpressure.</summary>
    public const string SlowedWrites = "actors.writebehind.slowed";

    /// <summary>Gauge, By: the ceiling for bytes that are not yet in the database.</summary>
    public const string UnflushedCeiling = "actors.unflushed.ceiling";

    /// <summary>Gauge, {row}: rows not yet in the database.</summary>
    public const string UnflushedRows = "actors.unflushed.rows";

    /// <summary>Gauge, By: bytes not yet in the database.</summary>
    public const string UnflushedBytes = "actors.unflushed.bytes";

    /// <summary>Gauge, s: age of the oldest unflushed row.</summary>
    public const string UnflushedAge = "actors.unflushed.age";

    /// <summary>
    /// Counter, {lookup}: lookups of users; <see cref="LayerTag"/>: memory, redis, database; <see cref="ResultTag"/>: hit,
    /// miss. After a miss the next layer is asked.
    /// </summary>
    public const string CacheLookups = "actors.cache.lookups";

    /// <summary>Gauge, {user}: users in memory.</summary>
    public const string ActiveUsers = "actors.users.active";

    /// <summary>Gauge, By: memory used by these users.</summary>
    public const string ActiveUserBytes = "actors.users.memory";

    /// <summary>Gauge, By: the ceiling for that memory.</summary>
    public const string ActiveUserCeiling = "actors.users.memory.ceiling";

    /// <summary>Counter, {user}: users evicted early to make room for others.</summary>
    public const string ShedUsers = "actors.users.shed";

    /// <summary>Counter, {call}: calls for users refused because no memory was left for them.</summary>
    public const string RefusedUserCalls = "actors.users.refused";

    /// <summary>
    /// Counter, {call}: calls to Redis; <see cref="RedisTag"/>, <see cref="ResultTag"/>: made, failed (or slow; also counted as
    /// made), rejected (not made because the circuit was not closed).
    /// </summary>
    public const string RedisCalls = "actors.redis.calls";

    /// <summary>
    /// Gauge, s: latency of answered calls over the last 30 to 60 seconds; <see cref="RedisTag"/>, <see cref="PercentileTag"/>:
    /// 50, 95, 99.
    /// </summary>
    public const string RedisLatency = "actors.redis.latency";

    /// <summary>Gauge: circuit state: 0 closed, 1 half-open, 2 open, 3 isolated; <see cref="RedisTag"/>.</summary>
    public const string BreakerState = "actors.redis.breaker.state";

    /// <summary>Counter, {transition}: how often a circuit opened or was isolated; <see cref="RedisTag"/>.</summary>
    public const string BreakerBreaks = "actors.redis.breaker.breaks";

    /// <summary>Gauge, By: memory Redis reports as used; <see cref="RedisTag"/>.</summary>
    public const string RedisMemory = "actors.redis.memory";

    /// <summary>Gauge, By: the memory limit of Redis, 0 if it has none; <see cref="RedisTag"/>.</summary>
    public const string RedisMemoryLimit = "actors.redis.memory.limit";

    /// <summary>Gauge, {connection}: client connections to Redis; <see cref="RedisTag"/>.</summary>
    public const string RedisConnections = "actors.redis.connections";

    /// <summary>Counter, {key}: keys Redis has evicted since it started; <see cref="RedisTag"/>.</summary>
    public const string RedisEvictions = "actors.redis.evictions";

    /// <summary>
    /// Counter, {lookup}: lookups in Redis by all clients since it started; <see cref="RedisTag"/>, <see cref="ResultTag"/>:
    /// hit, miss.
    /// </summary>
    public const string RedisLookups = "actors.redis.lookups";

    /// <summary>
    /// Counter, {decision}: limiter decisions; <see cref="PolicyTag"/>; <see cref="OutcomeTag"/>: allowed, denied,
    /// shadowdenied; <see cref="SourceTag"/>: redis, reserve (permits that Redis charged ahead), mirror (the silo's exact copy
    /// shows a full window), local (Redis was unavailable).
    /// </summary>
    public const string LimitDecisions = "actors.limits.decisions";

    /// <summary>Counter, {call}: limiter script calls to Redis. Each carries the requests of many clients.</summary>
    public const string LimitScripts = "actors.limits.scripts";

    /// <summary>Histogram, s: duration of a limiter script call.</summary>
    public const string LimitScriptDuration = "actors.limits.script_duration";

    /// <summary>Gauge: script calls per decision, since the silo's start.</summary>
    public const string LimitScriptsPerDecision = "actors.limits.scripts_per_decision";

    /// <summary>Gauge, {client}: rate-limited clients active on this silo.</summary>
    public const string LimitClients = "actors.limits.clients";

    /// <summary>Gauge, {call}: calls waiting for permits.</summary>
    public const string LimitWaiting = "actors.limits.waiting";

    /// <summary>Gauge, {log}: logs with grants that Redis does not have yet.</summary>
    public const string LimitUnsynced = "actors.limits.unsynced";

    /// <summary>Gauge, By: memory used by the grant logs on this silo.</summary>
    public const string LimitBytes = "actors.limits.bytes";

    /// <summary>Gauge, By: the ceiling for that memory.</summary>
    public const string LimitCeiling = "actors.limits.ceiling";

    /// <summary>Counter, {repair}: repairs by this silo of membership data that Redis had lost.</summary>
    public const string MembershipRepairs = "actors.membership.repairs";

    /// <summary>The policy of a limiter; "(own)" if the client has a policy that is not configured.</summary>
    public const string PolicyTag = "policy";

    /// <summary>The outcome of a decision.</summary>
    public const string OutcomeTag = "outcome";

    /// <summary>The source of a decision.</summary>
    public const string SourceTag = "source";

    /// <summary>The address of a Redis.</summary>
    public const string RedisTag = "redis";

    /// <summary>The percentile of a latency. Not named "quantile", which Prometheus reserves for summaries.</summary>
    public const string PercentileTag = "percentile";

    /// <summary>The durability a write reached.</summary>
    public const string DurabilityTag = "durability";

    /// <summary>The state that was entered.</summary>
    public const string StateTag = "state";

    /// <summary>The layer that was asked.</summary>
    public const string LayerTag = "layer";

    /// <summary>The result of the call or lookup.</summary>
    public const string ResultTag = "result";
}
