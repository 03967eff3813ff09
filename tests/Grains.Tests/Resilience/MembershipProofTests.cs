using Actors.Contracts;
using Actors.Fixtures;
using Actors.Membership;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A silo asks the table whether it is a member and never answers itself.</summary>
[NeedsServers]
public sealed class MembershipProofTests
{
    [Fact]
    public async Task Dead_silo_does_not_trust_its_own_copy_of_a_lost_table()
    {
        await using var redis = await RedisServer.StartNewAsync(appendOnly: false);
        await using var frozen = MembershipSilo.Create(redis.ConnectionString, "proof", 1000);
        await frozen.JoinAsync();
        var proof = frozen.Proof(new NoOthers());
        Assert.Equal(Standing.Member, await proof.ProveAsync(isLeaseValid: false));

        await using var other = MembershipSilo.Create(redis.ConnectionString, "proof", 1001);
        await other.JoinAsync();
        await other.WriteAsync(frozen.Address, SiloStatus.Dead);
        await RedisCommands.SendAsync(redis.Port, "FLUSHALL");

        Assert.Equal(Standing.Unknown, await proof.ProveAsync(isLeaseValid: false));
        Assert.Equal(0, frozen.Table.Repairs);

        // A silo that knows the row restores it.
        await other.Table.CheckAsync(default);
        Assert.Equal(Standing.Evicted, await proof.ProveAsync(isLeaseValid: false));
    }

    private sealed class NoOthers : IClusterMembershipService
    {
        public ClusterMembershipSnapshot CurrentSnapshot { get; } =
            new(System.Collections.Immutable.ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new MembershipVersion(1));

        public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => throw new NotSupportedException();

        public ValueTask Refresh(MembershipVersion minimumVersion, CancellationToken cancellationToken) => default;

        public Task<bool> TryKill(SiloAddress siloAddress) => throw new NotSupportedException();
    }
}
