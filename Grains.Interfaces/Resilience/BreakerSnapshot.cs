using System.Text.Json.Serialization;

namespace Actors;

/// <summary>The state of a circuit breaker, ordered from most to least permissive.</summary>
[GenerateSerializer, Alias("Actors.BreakerState"), JsonConverter(typeof(JsonStringEnumConverter<BreakerState>))]
public enum BreakerState
{
    /// <summary>All calls go to Redis.</summary>
    Closed,

    /// <summary>Redis is being tested: by probes, then by a growing share of the calls.</summary>
    HalfOpen,

    /// <summary>No call goes to Redis. Probes begin when the break is over.</summary>
    Open,

    /// <summary>No call goes to Redis until an operator closes the breaker.</summary>
    Isolated,
}

/// <summary>
/// The breaker of one silo at one moment: a circuit for each Redis that the silo uses. There is one circuit unless roles have
/// their own Redis. The properties below show the least permissive circuit.
/// </summary>
[GenerateSerializer, Immutable, Alias("Actors.BreakerSnapshot")]
public sealed record BreakerSnapshot
{
    /// <summary>The silo's address.</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>A circuit for each Redis; never empty.</summary>
    [Id(1)] public required CircuitSnapshot[] Circuits { get; init; }

    /// <inheritdoc cref="CircuitSnapshot.State"/>
    public BreakerState State => Worst.State;

    /// <inheritdoc cref="CircuitSnapshot.Since"/>
    public DateTimeOffset Since => Worst.Since;

    /// <inheritdoc cref="CircuitSnapshot.FailureRatio"/>
    public double FailureRatio => Worst.FailureRatio;

    /// <inheritdoc cref="CircuitSnapshot.Latency"/>
    public LatencySnapshot Latency => Worst.Latency;

    /// <inheritdoc cref="CircuitSnapshot.LastError"/>
    public string? LastError => Worst.LastError;

    /// <inheritdoc cref="CircuitSnapshot.NextProbe"/>
    public DateTimeOffset? NextProbe => Worst.NextProbe;

    /// <inheritdoc cref="CircuitSnapshot.Transitions"/>
    public BreakerTransition[] Transitions => Worst.Transitions;

    private CircuitSnapshot Worst => Circuits.MaxBy(circuit => circuit.State)!;
}

/// <summary>The circuit to one Redis; counts are since the silo's start.</summary>
[GenerateSerializer, Immutable, Alias("Actors.CircuitSnapshot")]
public sealed record CircuitSnapshot
{
    /// <summary>The address of the Redis, without secrets, e.g. "10.0.0.5:6379".</summary>
    [Id(0)] public required string Address { get; init; }

    /// <summary>The roles of the Redis, e.g. "journal", "cache".</summary>
    [Id(1)] public required string[] Roles { get; init; }

    /// <summary>The state of the circuit.</summary>
    [Id(2)] public required BreakerState State { get; init; }

    /// <summary>When the circuit entered the state, by the silo's clock.</summary>
    [Id(3)] public required DateTimeOffset Since { get; init; }

    /// <summary>The share of calls within the sampling duration that failed or were slow, 0 to 1.</summary>
    [Id(4)] public double FailureRatio { get; init; }

    /// <summary>The latency of answered calls, within about the last minute.</summary>
    [Id(5)] public LatencySnapshot Latency { get; init; } = new();

    /// <summary>The last counted failure, or null.</summary>
    [Id(6)] public string? LastError { get; init; }

    /// <summary>When the next probe is due, by the silo's clock; null while closed or isolated.</summary>
    [Id(7)] public DateTimeOffset? NextProbe { get; init; }

    /// <summary>The last 50 changes of state, oldest first.</summary>
    [Id(8)] public BreakerTransition[] Transitions { get; init; } = [];

    /// <summary>Calls that went to Redis.</summary>
    [Id(9)] public long Calls { get; init; }

    /// <summary>Calls that failed or were slow.</summary>
    [Id(10)] public long Failures { get; init; }

    /// <summary>Calls that were rejected because the circuit was not closed.</summary>
    [Id(11)] public long Rejected { get; init; }

    /// <summary>The server's health as last read; null until the first reading.</summary>
    [Id(12)] public RedisHealth? Health { get; init; }

    /// <summary>When <see cref="LastError"/> occurred, by the silo's clock; null if there is none, or if an older silo reports it.</summary>
    [Id(13)] public DateTimeOffset? LastErrorAt { get; init; }

    /// <summary>A problem of this Redis for its roles, even though it answers; null if there is none.</summary>
    public string? Warning => Roles.Contains("journal") ? Health?.JournalWarning : null;
}

/// <summary>A change of a circuit's state.</summary>
[GenerateSerializer, Immutable, Alias("Actors.BreakerTransition")]
public sealed record BreakerTransition
{
    /// <summary>The time of the change, by the silo's clock.</summary>
    [Id(0)] public required DateTimeOffset At { get; init; }

    /// <summary>The state before.</summary>
    [Id(1)] public required BreakerState From { get; init; }

    /// <summary>The state after.</summary>
    [Id(2)] public required BreakerState To { get; init; }

    /// <summary>The reason for the change.</summary>
    [Id(3)] public required string Reason { get; init; }
}

/// <summary>Percentiles of call latency; all zero if there were no calls.</summary>
[GenerateSerializer, Immutable, Alias("Actors.LatencySnapshot")]
public sealed record LatencySnapshot
{
    /// <summary>The number of measured calls.</summary>
    [Id(0)] public long Calls { get; init; }

    /// <summary>The median latency.</summary>
    [Id(1)] public TimeSpan P50 { get; init; }

    /// <summary>The 95th percentile of latency.</summary>
    [Id(2)] public TimeSpan P95 { get; init; }

    /// <summary>The 99th percentile of latency.</summary>
    [Id(3)] public TimeSpan P99 { get; init; }
}
