using Actors.Core;
using Orleans.Concurrency;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Redis;

/// <summary>The breaker of the silo that the key names. For clients, which cannot call a grain service.</summary>
[StatelessWorker]
[GrainType("redis-breaker")]
internal sealed class RedisBreakerGrain(RedisBreakerClient breakers, IClusterMembershipService membership) : Grain, IRedisBreakerGrain
{
    private const int MaxReason = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public Task<BreakerSnapshot> GetAsync(CancellationToken cancellationToken) =>
        Breaker().GetAsync().WaitAsync(Patience, cancellationToken);

    public Task IsolateAsync(string reason, CancellationToken cancellationToken) =>
        Breaker().IsolateAsync($"isolated by hand: {Cut(reason)}").WaitAsync(Patience, cancellationToken);

    public Task CloseAsync(CancellationToken cancellationToken) =>
        Breaker().CloseAsync().WaitAsync(Patience, cancellationToken);

    private IRedisBreakerService Breaker()
    {
        var key = this.GetPrimaryKeyString();
        var active = membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status == MemberStatus.Active)
            .Select(member => member.SiloAddress)
            .ToArray();
        return active.FirstOrDefault(silo => SiloName.Names(key, silo)) is { } named
            ? breakers.Of(named)
            : throw new SiloNotFoundException(
                $"{WellFormedText.Quote(key)} is not an active silo; active silos: "
                + $"{string.Join(", ", active.Select(SiloName.Of).Order(StringComparer.Ordinal))}.");
    }

    private static string Cut(string? reason)
    {
        reason = string.IsNullOrWhiteSpace(reason) ? "no reason given" : reason.Trim();
        return PrintableText.Of(reason.Length <= MaxReason ? reason : reason[..MaxReason]);
    }
}
