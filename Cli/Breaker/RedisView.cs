namespace Actors.Cli.Breaker;

/// <summary>One Redis as all silos that use it see it together.</summary>
internal sealed record RedisView(string Address, IReadOnlyList<(string Silo, CircuitSnapshot Circuit)> Seen)
{
    /// <summary>What any silo uses it for.</summary>
    public IEnumerable<string> Roles => Seen.SelectMany(seen => seen.Circuit.Roles).Distinct(StringComparer.Ordinal);

    /// <summary>The state of the circuit that lets through least.</summary>
    public BreakerState State => Seen.Max(seen => seen.Circuit.State);

    /// <summary>What it said of itself last, to whichever silo.</summary>
    public RedisHealth? Health => Seen.Select(seen => seen.Circuit.Health).OfType<RedisHealth>().MaxBy(health => health.At);

    /// <summary>A warning about this Redis that any silo reports although it answers; null if there is none.</summary>
    public string? Warning => Seen.Select(seen => seen.Circuit.Warning).FirstOrDefault(warning => warning is not null);

    /// <summary>Each figure as the silo has it for which it is longest.</summary>
    public LatencySnapshot Latency => new()
    {
        Calls = Seen.Sum(seen => seen.Circuit.Latency.Calls),
        P50 = Seen.Max(seen => seen.Circuit.Latency.P50),
        P95 = Seen.Max(seen => seen.Circuit.Latency.P95),
        P99 = Seen.Max(seen => seen.Circuit.Latency.P99),
    };

    public static IReadOnlyList<RedisView> AllOf(ClusterStatus status) =>
    [
        .. status.Silos
            .SelectMany(silo => silo.Breaker?.Circuits ?? [], (silo, circuit) => (silo.Silo, circuit))
            .GroupBy(seen => seen.circuit.Address, StringComparer.Ordinal)
            .Select(group => new RedisView(group.Key, [.. group])),
    ];
}
