namespace Actors.Cli.Breaker;

/// <summary>Breakers as JSON: unformatted values, times in seconds.</summary>
internal static class BreakerJson
{
    public static object Of(ClusterStatus status, DateTimeOffset now) =>
        new { Silos = status.Silos.Select(silo => Of(silo, now)) };

    public static object Of(BreakerSnapshot breaker, DateTimeOffset now) => new
    {
        breaker.State,
        breaker.Since,
        SinceSeconds = BreakerText.Between(breaker.Since, now).TotalSeconds,
        Circuits = breaker.Circuits.Select(circuit => Of(circuit, now)),
    };

    public static object Of(LatencySnapshot latency) => new
    {
        latency.Calls,
        P50Seconds = latency.P50.TotalSeconds,
        P95Seconds = latency.P95.TotalSeconds,
        P99Seconds = latency.P99.TotalSeconds,
    };

    public static object? Of(RedisHealth? health) => health is null ? null : new
    {
        health.At,
        health.Version,
        UptimeSeconds = health.Uptime.TotalSeconds,
        health.UsedMemory,
        health.MaxMemory,
        health.MemoryUse,
        health.ConnectedClients,
        health.EvictedKeys,
        health.KeyspaceHits,
        health.KeyspaceMisses,
        health.HitRate,
        health.MaxMemoryPolicy,
        health.Persistence,
    };

    private static object Of(SiloReport silo, DateTimeOffset now) => new
    {
        silo.Silo,
        silo.IsResponding,
        Breaker = silo.Breaker is { } breaker ? Of(breaker, now) : null,
    };

    private static object Of(CircuitSnapshot circuit, DateTimeOffset now) => new
    {
        circuit.Address,
        circuit.Roles,
        circuit.State,
        circuit.Since,
        SinceSeconds = BreakerText.Between(circuit.Since, now).TotalSeconds,
        circuit.FailureRatio,
        Latency = Of(circuit.Latency),
        circuit.Calls,
        circuit.Failures,
        circuit.Rejected,
        circuit.LastError,
        circuit.LastErrorAt,
        circuit.NextProbe,
        NextProbeSeconds = circuit.NextProbe is { } probe ? BreakerText.Between(now, probe).TotalSeconds : (double?)null,
        Health = Of(circuit.Health),
        circuit.Warning,
        circuit.Transitions,
    };
}
