using System.Text.Json.Serialization;

namespace Actors;

/// <summary>The state of a circuit breaker. The order is by how much it lets through.</summary>
[GenerateSerializer, Alias("Actors.BreakerState"), JsonConverter(typeof(JsonStringEnumConverter<BreakerState>))]
public enum BreakerState
{
    /// <summary>All calls go to Redis.</summary>
    Closed,

    /// <summary>Redis is being tried: by probes, then by a growing share of the calls.</summary>
    HalfOpen,

    /// <summary>No call goes to Redis. It is probed when the break is over.</summary>
    Open,

    /// <summary>No call goes to Redis until someone closes the breaker by hand.</summary>
    Isolated,
}

/// <summary>
/// The breaker of one silo at one moment: a circuit for each Redis that the silo uses, of which there is one unless roles
/// have a Redis of their own. What stands here of the whole is that of the circuit that lets through least.
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
    /// <summary>Where that Redis is, without secrets, e.g. "10.0.0.5:6379".</summary>
    [Id(0)] public required string Address { get; init; }

    /// <summary>What it is used for: "journal", "cache".</summary>
    [Id(1)] public required string[] Roles { get; init; }

    /// <summary>How the circuit stands.</summary>
    [Id(2)] public required BreakerState State { get; init; }

    /// <summary>Since when it stands so, by the silo's clock.</summary>
    [Id(3)] public required DateTimeOffset Since { get; init; }

    /// <summary>Of the calls within the sampling duration, the share that failed or was slow, 0 to 1.</summary>
    [Id(4)] public double FailureRatio { get; init; }

    /// <summary>How long answered calls took, within the last minute or so.</summary>
    [Id(5)] public LatencySnapshot Latency { get; init; } = new();

    /// <summary>The last failure that counted, or null.</summary>
    [Id(6)] public string? LastError { get; init; }

    /// <summary>When Redis is probed next, by the silo's clock; null while closed or isolated.</summary>
    [Id(7)] public DateTimeOffset? NextProbe { get; init; }

    /// <summary>The last 50 changes of state, oldest first.</summary>
    [Id(8)] public BreakerTransition[] Transitions { get; init; } = [];

    /// <summary>Calls that went to Redis.</summary>
    [Id(9)] public long Calls { get; init; }

    /// <summary>Calls of those that failed or were slow.</summary>
    [Id(10)] public long Failures { get; init; }

    /// <summary>Calls that were not made since the circuit was not closed.</summary>
    [Id(11)] public long Rejected { get; init; }

    /// <summary>What Redis says of itself; null until it has been asked, and kept while it cannot be.</summary>
    [Id(12)] public RedisHealth? Health { get; init; }

    /// <summary>When <see cref="LastError"/> was, by the silo's clock; null if there is none, or a silo of an older version tells of it.</summary>
    [Id(13)] public DateTimeOffset? LastErrorAt { get; init; }

    /// <summary>What is wrong with this Redis for what it is used for, though it answers; else null.</summary>
    public string? Warning => Roles.Contains("journal") ? Health?.JournalWarning : null;
}

/// <summary>A change of a circuit's state.</summary>
[GenerateSerializer, Immutable, Alias("Actors.BreakerTransition")]
public sealed record BreakerTransition
{
    /// <summary>When, by the silo's clock.</summary>
    [Id(0)] public required DateTimeOffset At { get; init; }

    /// <summary>The state before.</summary>
    [Id(1)] public required BreakerState From { get; init; }

    /// <summary>The state after.</summary>
    [Id(2)] public required BreakerState To { get; init; }

    /// <summary>Why.</summary>
    [Id(3)] public required string Reason { get; init; }
}

/// <summary>How long calls took; all zero where there was none.</summary>
[GenerateSerializer, Immutable, Alias("Actors.LatencySnapshot")]
public sealed record LatencySnapshot
{
    /// <summary>How many calls were measured.</summary>
    [Id(0)] public long Calls { get; init; }

    /// <summary>Half of them took no longer.</summary>
    [Id(1)] public TimeSpan P50 { get; init; }

    /// <summary>95 of 100 took no longer.</summary>
    [Id(2)] public TimeSpan P95 { get; init; }

    /// <summary>99 of 100 took no longer.</summary>
    [Id(3)] public TimeSpan P99 { get; init; }
}
