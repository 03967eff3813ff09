using Microsoft.Extensions.DependencyInjection;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.WriteBehind;

/// <summary>Calls other silos about being cut off from Redis.</summary>
internal interface IPartitionedPeers
{
    /// <summary>The other active silos.</summary>
    IReadOnlyCollection<SiloAddress> Others { get; }

    /// <summary>Announces this silo's status to another silo. Returns once that silo knows.</summary>
    Task TellAsync(SiloAddress silo, long number, bool isCutOff);

    /// <summary>Makes another silo flush what it has journaled. Returns once the rows are in the database.</summary>
    Task FlushAsync(SiloAddress silo);
}

/// <summary>Calls the partition services of the other silos.</summary>
/// <param name="services">Resolved lazily: the client needs a running silo, and the silo needs this.</param>
internal sealed class PartitionedPeers(IServiceProvider services) : IPartitionedPeers
{
    private SiloAddress Self => services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    public IReadOnlyCollection<SiloAddress> Others
    {
        get
        {
            var self = Self;
            return [.. services.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.Members.Values
                .Where(member => member.Status == MemberStatus.Active && !member.SiloAddress.Equals(self))
                .Select(member => member.SiloAddress)];
        }
    }

    public Task TellAsync(SiloAddress silo, long number, bool isCutOff) => Of(silo).SetPartitionedAsync(Self, number, isCutOff);

    public Task FlushAsync(SiloAddress silo) => Of(silo).FlushAsync();

    private IPartitionService Of(SiloAddress silo) => services.GetRequiredService<PartitionClient>().Of(silo);
}

/// <summary>Used by a silo without peers.</summary>
internal sealed class NoPeers : IPartitionedPeers
{
    public IReadOnlyCollection<SiloAddress> Others => [];

    public Task TellAsync(SiloAddress silo, long number, bool isCutOff) => Task.CompletedTask;

    public Task FlushAsync(SiloAddress silo) => Task.CompletedTask;
}
