using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.Redis;

namespace Actors.Hosting;

/// <summary>The instruments of the silo's access to Redis, observed at collection time.</summary>
internal static class RedisInstruments
{
    public static void AddTo(Meter meter, RedisGateway redis)
    {
        meter.CreateObservableCounter(
            ActorsTelemetry.RedisCalls,
            () => redis.Circuits.SelectMany(circuit => new[]
            {
                Of(circuit, circuit.Calls, ActorsTelemetry.ResultTag, "made"),
                Of(circuit, circuit.Failures, ActorsTelemetry.ResultTag, "failed"),
                Of(circuit, circuit.Rejected, ActorsTelemetry.ResultTag, "rejected"),
            }),
            "{call}", "Calls to Redis: made, failed (or slow; also counted as made), and rejected because the circuit was not closed.");
        meter.CreateObservableGauge(
            ActorsTelemetry.RedisLatency,
            () => redis.Circuits.SelectMany(circuit =>
            {
                var latency = circuit.Latency;
                return new[]
                {
                    Of(circuit, latency.P50.TotalSeconds, ActorsTelemetry.PercentileTag, "50"),
                    Of(circuit, latency.P95.TotalSeconds, ActorsTelemetry.PercentileTag, "95"),
                    Of(circuit, latency.P99.TotalSeconds, ActorsTelemetry.PercentileTag, "99"),
                };
            }),
            "s", "Latency of answered calls to Redis over the last 30 to 60 seconds.");
        meter.CreateObservableGauge(
            ActorsTelemetry.BreakerState, () => redis.Circuits.Select(circuit => Of(circuit, (int)circuit.State)), null,
            "Circuit state: 0 closed, 1 half-open, 2 open, 3 isolated.");
        meter.CreateObservableCounter(
            ActorsTelemetry.BreakerBreaks, () => redis.Circuits.Select(circuit => Of(circuit, circuit.Breaks)), "{transition}",
            "How often the circuit was opened or isolated.");

        meter.CreateObservableGauge(ActorsTelemetry.RedisMemory, () => Reported(health => health.UsedMemory), "By", "Memory used by Redis.");
        meter.CreateObservableGauge(
            ActorsTelemetry.RedisMemoryLimit, () => Reported(health => health.MaxMemory), "By", "The memory limit of Redis; 0 if it has none.");
        meter.CreateObservableGauge(
            ActorsTelemetry.RedisConnections, () => Reported(health => health.ConnectedClients), "{connection}", "Connections to Redis.");
        meter.CreateObservableCounter(
            ActorsTelemetry.RedisEvictions, () => Reported(health => health.EvictedKeys), "{key}", "Keys Redis has evicted.");
        meter.CreateObservableCounter(
            ActorsTelemetry.RedisLookups,
            () => redis.Circuits.Where(circuit => circuit.Health is not null).SelectMany(circuit => new[]
            {
                Of(circuit, circuit.Health!.KeyspaceHits, ActorsTelemetry.ResultTag, "hit"),
                Of(circuit, circuit.Health!.KeyspaceMisses, ActorsTelemetry.ResultTag, "miss"),
            }),
            "{lookup}", "Lookups in Redis by all clients.");

        IEnumerable<Measurement<long>> Reported(Func<RedisHealth, long> figure) =>
            redis.Circuits.Where(circuit => circuit.Health is not null).Select(circuit => Of(circuit, figure(circuit.Health!)));
    }

    private static Measurement<T> Of<T>(RedisCircuit circuit, T value)
        where T : struct => new(value, Redis(circuit));

    private static Measurement<T> Of<T>(RedisCircuit circuit, T value, string tag, string tagValue)
        where T : struct => new(value, Redis(circuit), new KeyValuePair<string, object?>(tag, tagValue));

    private static KeyValuePair<string, object?> Redis(RedisCircuit circuit) => new(ActorsTelemetry.RedisTag, circuit.Address);
}
