using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.Membership;
using Actors.RateLimiting;
using Actors.Redis;
using Actors.Users;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;

namespace Actors.Hosting;

/// <summary>
/// The instruments of the silo. They are observed at collection time from counters that exist anyway, so they cost the hot
/// paths nothing. (Histograms cannot be observed: <see cref="BatchHistograms"/>.)
/// </summary>
internal sealed class SiloInstruments : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private readonly Meter _meter;

    public SiloInstruments(
        IMeterFactory meters, WriteBehindTable table, JournalSize journal, ReadCounters reads, ActiveUsers users,
        RedisGateway redis, LimiterCounters limiters, IOptions<RateLimitOptions> limits, ClockWatch clocks,
        CallCounters calls, IEnumerable<SelfHealingMembershipTable> membership)
    {
        _meter = meters.Create(ActorsTelemetry.MeterName);
        WriteBehindInstruments.AddTo(_meter, table, journal);
        _meter.CreateObservableCounter(
            ActorsTelemetry.CacheLookups,
            () => Lookups("memory", reads.Memory).Concat(Lookups("redis", reads.Redis)).Concat(Lookups("database", reads.Database)),
            "{lookup}", "Lookups of users by layer and result.");
        _meter.CreateObservableCounter(
            ActorsTelemetry.Calls,
            () => new Measurement<long>[]
            {
                new(calls.Turns, Tag(ActorsTelemetry.WayTag, "turn")),
                new(calls.Messages, Tag(ActorsTelemetry.WayTag, "message")),
                new(calls.Forwarded, Tag(ActorsTelemetry.WayTag, "forwarded")),
                new(calls.Returned, Tag(ActorsTelemetry.WayTag, "returned")),
            },
            "{call}", "Calls that came in messages of client apps.");
        UserInstruments.AddTo(_meter, users);
        RedisInstruments.AddTo(_meter, redis);
        LimiterInstruments.AddTo(_meter, limiters, limits.Value);
        _meter.CreateObservableGauge(
            ActorsTelemetry.ClockSkew,
            () => clocks.Skews.Select(skew => new Measurement<double>(
                skew.Ahead.TotalSeconds, new KeyValuePair<string, object?>(ActorsTelemetry.ClockTag, skew.Reference))),
            "s", "How far this machine's clock is ahead of another.");

        // Empty if the cluster keeps its membership elsewhere.
        foreach (var members in membership)
            Count(ActorsTelemetry.MembershipRepairs, "{repair}", "Repairs of the membership table in Redis.", () => members.Repairs);
    }

    // Nothing to start. As a participant the instance is created with the silo.
    public void Participate(ISiloLifecycle observer)
    {
    }

    public void Dispose() => _meter.Dispose();

    private void Count(string name, string unit, string description, Func<long> observe) =>
        _meter.CreateObservableCounter(name, observe, unit, description);

    private static IEnumerable<Measurement<long>> Lookups(string layer, LayerStatus status) =>
    [
        new(status.Hits, Tag(ActorsTelemetry.LayerTag, layer), Tag(ActorsTelemetry.ResultTag, "hit")),
        new(status.Misses, Tag(ActorsTelemetry.LayerTag, layer), Tag(ActorsTelemetry.ResultTag, "miss")),
    ];

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value.ToLowerInvariant());
}
