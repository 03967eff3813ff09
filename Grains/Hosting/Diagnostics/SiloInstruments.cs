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
/// The silo's instruments. All of them are observed when someone collects, from counters that are kept anyway: what is
/// measured costs the hot paths nothing. (Histograms cannot be observed: <see cref="BatchHistograms"/>.)
/// </summary>
internal sealed class SiloInstruments : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private readonly Meter _meter;

    public SiloInstruments(IMeterFactory meters, WriteBehindTable table, JournalSize journal, ReadCounters reads, ActiveUsers users, RedisGateway redis,
        LimiterCounters limiters, IOptions<RateLimitOptions> limits, ClockWatch clocks, IEnumerable<SelfHealingMembershipTable> membership)
    {
        _meter = meters.Create(ActorsTelemetry.MeterName);
        WriteBehindInstruments.AddTo(_meter, table, journal);
        _meter.CreateObservableCounter(
            ActorsTelemetry.CacheLookups,
            () => Lookups("memory", reads.Memory).Concat(Lookups("redis", reads.Redis)).Concat(Lookups("database", reads.Database)),
            "{lookup}", "Look-ups of users by layer and result.");
        UserInstruments.AddTo(_meter, users);
        RedisInstruments.AddTo(_meter, redis);
        LimiterInstruments.AddTo(_meter, limiters, limits.Value);
        _meter.CreateObservableGauge(
            ActorsTelemetry.ClockSkew,
            () => clocks.Skews.Select(skew => new Measurement<double>(
                skew.Ahead.TotalSeconds, new KeyValuePair<string, object?>(ActorsTelemetry.ClockTag, skew.Reference))),
            "s", "By how much this machine's clock is ahead of another.");

        // None where the cluster keeps its members elsewhere.
        foreach (var members in membership)
            Count(ActorsTelemetry.MembershipRepairs, "{repair}", "Repairs of the membership table in Redis.", () => members.Repairs);
    }

    // Nothing to start: that the silo looks for its participants is what makes the instruments.
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
