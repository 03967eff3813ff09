using Microsoft.Extensions.DependencyInjection;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.WriteBehind;

/// <summary>How a silo reaches another one about being cut off from Redis.</summary>
internal interface IPartitionedPeers
{
    /// <summary>The other active silos.</summary>
    IReadOnlyCollection<SiloAddress> Others { get; }

    /// <summary>Tells one of them how this silo stands. Returns once it knows.</summary>
    Task TellAsync(SiloAddress silo, long number, bool isCutOff);

    /// <summary>Has one of them flush what it has journaled. Returns once that is in the database.</summary>
    Task FlushAsync(SiloAddress silo);
}

/// <summary>Reaches the others by their partition services.</summary>
/// <param name="services">Asked when it is needed: the client needs a running silo, and that needs this.</param>
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

/// <summary>For a silo that is alone.</summary>
internal sealed class NoPeers : IPartitionedPeers
{
    public IReadOnlyCollection<SiloAddress> Others => [];

    public Task TellAsync(SiloAddress silo, long number, bool isCutOff) => Task.CompletedTask;

    public Task FlushAsync(SiloAddress silo) => Task.CompletedTask;
}
