namespace Actors.Cli.Breaker;

/// <summary>One Redis, combined from the reports of all silos that use it.</summary>
internal sealed record RedisView(string Address, IReadOnlyList<(string Silo, CircuitSnapshot Circuit)> Seen)
{
    /// <summary>The roles that silos use it for.</summary>
    public IEnumerable<string> Roles => Seen.SelectMany(seen => seen.Circuit.Roles).Distinct(StringComparer.Ordinal);

    /// <summary>The most restrictive circuit state.</summary>
    public BreakerState State => Seen.Max(seen => seen.Circuit.State);

    /// <summary>The latest server figures, from any silo.</summary>
    public RedisHealth? Health => Seen.Select(seen => seen.Circuit.Health).OfType<RedisHealth>().MaxBy(health => health.At);

    /// <summary>A warning about this Redis that any silo reports although it answers; null if there is none.</summary>
    public string? Warning => Seen.Select(seen => seen.Circuit.Warning).FirstOrDefault(warning => warning is not null);

    /// <summary>Each latency as reported by the slowest silo.</summary>
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
