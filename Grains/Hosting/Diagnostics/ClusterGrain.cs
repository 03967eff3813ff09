using Actors.Core;
using Actors.Membership;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Hosting;

/// <summary>Asks the status service of every active silo in parallel.</summary>
[StatelessWorker]
[GrainType("cluster")]
internal sealed partial class ClusterGrain(
    SiloStatusClient silos, IClusterMembershipService membership, SiloDeaths deaths, ILogger<ClusterGrain> logger)
    : Grain, IClusterGrain
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public async Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken)
    {
        var snapshot = membership.CurrentSnapshot;
        return new()
        {
            Silos = await Task.WhenAll(Of(snapshot, MemberStatus.Active).Select(silo => AskAsync(silo, cancellationToken))),
            StoppingSilos = [.. Of(snapshot, MemberStatus.ShuttingDown, MemberStatus.Stopping).Select(SiloName.Of)],
            MembershipVersion = snapshot.Version.Value,
        };
    }

    public Task<SiloDeath[]> GetDeathsAsync(CancellationToken cancellationToken) => Task.FromResult(deaths.Recent);

    private static IEnumerable<SiloAddress> Of(ClusterMembershipSnapshot snapshot, params MemberStatus[] statuses) =>
        snapshot.Members.Values.Where(member => statuses.Contains(member.Status)).Select(member => member.SiloAddress).Order();

    private async Task<SiloReport> AskAsync(SiloAddress silo, CancellationToken cancellationToken)
    {
        try
        {
            return await silos.GetStatusAsync(silo).WaitAsync(Patience, cancellationToken);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoAnswer(logger, silo, error.Message);
            return new() { Silo = SiloName.Of(silo), IsResponding = false };
        }
    }

    [LoggerMessage(EventId = 2100, Level = LogLevel.Warning, Message = "Silo {Silo} did not respond to a status request: {Reason}")]
    private static partial void LogNoAnswer(ILogger logger, SiloAddress silo, string reason);
}
