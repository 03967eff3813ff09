using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Membership;

/// <summary>
/// Determines whether this silo is a member. It asks the membership table, which costs one small read, or the other silos if
/// the table cannot be reached. A silo can be declared dead only in the table, and the silos that take over its grains learn it
/// there. So if every other member confirms this silo, none of them has taken over anything.
/// </summary>
internal sealed partial class MembershipProof(
    IMembershipTable table, IClusterMembershipService membership, ILocalSiloDetails self, IServiceProvider services, TimeProvider clock,
    ILogger<MembershipProof> logger)
{
    /// <summary>How long to wait for the table, and then for each of the others.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);

    // When to ask the others in parallel. Asking them only after the table's limit would take most of a lease.
    private static readonly TimeSpan SoonEnough = TimeSpan.FromMilliseconds(250);

    /// <param name="isLeaseValid">
    /// Whether this silo knows that it was a member until now. If not, unknown silos may have joined meanwhile. Then a silo
    /// that knows no other silo cannot confirm itself.
    /// </param>
    public async Task<Standing> ProveAsync(bool isLeaseValid)
    {
        var askingTable = AskTableAsync();
        await Task.WhenAny(askingTable, Task.Delay(SoonEnough, clock));

        // It does not throw, so it may be left alone once the table has answered.
        var others = askingTable.IsCompleted ? null : AskOthersAsync(isLeaseValid);
        return await askingTable ?? await (others ?? AskOthersAsync(isLeaseValid));
    }

    /// <summary>The answer of the table; null if it has none.</summary>
    private async Task<Standing?> AskTableAsync()
    {
        try
        {
            return await OwnStatusAsync().WaitAsync(AnswerLimit, clock) switch
            {
                // The table was lost and is about to be restored, or this silo has only started to join.
                MemberStatus.None => null,
                MemberStatus.Dead => Standing.Evicted,
                _ => Standing.Member,
            };
        }
        catch (Exception error)
        {
            LogTableAway(logger, error.Message);
            return null;
        }
    }

    private async Task<Standing> AskOthersAsync(bool isLeaseValid)
    {
        var others = membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status is MemberStatus.Active && !member.SiloAddress.Equals(self.SiloAddress))
            .Select(member => member.SiloAddress).ToList();
        if (others.Count == 0) return isLeaseValid ? Standing.Member : Standing.Unknown;
        var answers = await Task.WhenAll(others.Select(AskAsync));
        return Array.IndexOf(answers, Standing.Evicted) >= 0 ? Standing.Evicted : answers.Min();
    }

    private async Task<Standing> AskAsync(SiloAddress other)
    {
        try
        {
            return await services.GetRequiredService<MembershipClient>().Of(other)
                .IsMemberAsync(self.SiloAddress).WaitAsync(AnswerLimit, clock) switch
            {
                true => Standing.Member,
                false => Standing.Evicted,
                null => Standing.Unknown,
            };
        }
        catch (Exception error)
        {
            LogNoAnswer(logger, other, error.Message);
            return Standing.Unknown;
        }
    }

    private async Task<MemberStatus> OwnStatusAsync()
    {
        // Bypasses the other table layers. Any other read restores what the table has lost, from a copy that may be older than
        // the news of this silo's death.
        if (services.GetService<SelfHealingMembershipTable>() is { } selfHealing) return await selfHealing.OwnStatusAsync(CancellationToken.None);
        var row = await table.ReadRowAsync(self.SiloAddress, CancellationToken.None);
        return row.TryGet(self.SiloAddress)?.Item1.Status ?? MemberStatus.None;
    }

    [LoggerMessage(EventId = 1314, Level = LogLevel.Debug, Message = "The membership table did not answer whether this silo is a member: {Reason}")]
    private static partial void LogTableAway(ILogger logger, string reason);

    [LoggerMessage(EventId = 1315, Level = LogLevel.Debug, Message = "Silo {Silo} did not answer whether this silo is a member: {Reason}")]
    private static partial void LogNoAnswer(ILogger logger, SiloAddress silo, string reason);
}

/// <summary>Answers questions of other silos about their membership. One per silo, for the lifetime of the silo.</summary>
[Alias("Actors.IMembershipService")]
internal interface IMembershipService : IGrainService
{
    /// <summary>False once this silo knows that <paramref name="silo"/> was declared dead; null if it does not know the silo.</summary>
    [Alias("IsMember")]
    Task<bool?> IsMemberAsync(SiloAddress silo);

    /// <summary>Returns at once: a silo that answers is alive.</summary>
    [Alias("Ping")]
    Task PingAsync();
}

/// <summary>Reads what Orleans knows. Has no state of its own.</summary>
[Reentrant]
internal sealed class MembershipService(GrainId id, Silo silo, ILoggerFactory loggers, IClusterMembershipService membership)
    : GrainService(id, silo, loggers), IMembershipService
{
    // Unknown: the silo has just joined, or died so long ago that it was removed from the table.
    public Task<bool?> IsMemberAsync(SiloAddress silo) => Task.FromResult<bool?>(membership.CurrentSnapshot.GetSiloStatus(silo) switch
    {
        MemberStatus.Dead => false,
        MemberStatus.None => null,
        _ => true,
    });

    public Task PingAsync() => Task.CompletedTask;
}

/// <summary>Calls the membership service of any silo.</summary>
internal sealed class MembershipClient(IServiceProvider services) : GrainServiceClient<IMembershipService>(services)
{
    public IMembershipService Of(SiloAddress silo) => GetGrainService(silo);
}
