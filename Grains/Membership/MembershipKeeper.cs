using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Actors.Membership;

/// <summary>
/// Maintains the membership table once a second while the silo is active. It has the table repaired, announces new versions to
/// Orleans, gives this silo's signs of life, and declares silos dead that died while joining. Orleans itself checks far less
/// often, and after a Redis outage may wait another minute.
/// </summary>
internal sealed partial class MembershipKeeper(
    SelfHealingMembershipTable table, OutageMembershipTable outage, IClusterMembershipService membership, ILocalSiloDetails self,
    ClusterClock cluster, BackgroundLoops loops, IOptions<ClusterMembershipOptions> options, TimeProvider clock, ILogger<MembershipKeeper> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RefreshLimit = TimeSpan.FromSeconds(5);

    private readonly BackgroundLoop _loop = new("Keeper of the membership table", loops, clock, logger);
    private readonly AbandonedJoins _joins = new(options.Value.MaxJoinAttemptTime, clock);
    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(MembershipKeeper),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _keeping = Task.Run(() => _loop.RunAsync(_ => KeepAsync(), _stop.Token), CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _keeping;
        });

    // Also runs after a failed start, when nothing else stops the loop. The source is only cancelled because the loop may still
    // use it.
    public void Dispose() => _stop.Cancel();

    private async Task<bool> KeepAsync()
    {
        var isAway = false;
        try
        {
            while (true)
            {
                try
                {
                    // The order matters: news among silos is already in the table, unless it could not be written.
                    var announced = membership.CurrentSnapshot;
                    await table.CheckAsync(_stop.Token);
                    if (announced.Version > table.Version) await table.RecordAsync(announced.Version, announced.Members.Values, _stop.Token);

                    // Orleans does not read what other silos announced, but it is needed to leave while Redis is unavailable.
                    if (announced.Version > outage.LastRead) await outage.ReadAllAsync(_stop.Token);
                    if (isAway || table.SinceSignOfLife > CrashedSilos.AliveEvery + LookEvery) await GiveSignOfLifeAsync();

                    // Report recovery only after a successful write, because a replica can be read too.
                    if (isAway) LogBack(logger);
                    isAway = false;
                    _loop.Succeeded();
                    if (membership.CurrentSnapshot.Version < table.Version) await RefreshAsync();
                    await EndAbandonedJoinsAsync();
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // Logged once; the next check follows in a second.
                    if (!isAway) LogAway(logger, RedisFailures.Reason(error));
                    isAway = true;
                }

                await Task.Delay(LookEvery, clock, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return false;
        }
    }

    private Task GiveSignOfLifeAsync() => table.UpdateIAmAliveAsync(
        new MembershipEntry { SiloAddress = self.SiloAddress, IAmAliveTime = cluster.UtcNow.UtcDateTime }, _stop.Token);

    private async Task RefreshAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(RefreshLimit);
        await membership.Refresh(table.Version, limit.Token);
    }

    private async Task EndAbandonedJoinsAsync()
    {
        foreach (var silo in _joins.Look(membership.CurrentSnapshot.Members.Values.Select(member => (member.SiloAddress, member.Status))))
        {
            LogAbandoned(logger, silo, options.Value.MaxJoinAttemptTime);
            await membership.TryKill(silo);
        }
    }

    [LoggerMessage(EventId = 1307, Level = LogLevel.Warning, Message = "Silo {Silo} has been joining for {Longest}; declaring it dead")]
    private static partial void LogAbandoned(ILogger logger, SiloAddress silo, TimeSpan longest);

    [LoggerMessage(EventId = 1308, Level = LogLevel.Warning, Message =
        "The membership table in Redis cannot be reached: {Reason}. The cluster keeps running, but no silo can join or be declared dead")]
    private static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(EventId = 1309, Level = LogLevel.Information, Message = "The membership table in Redis can be reached again")]
    private static partial void LogBack(ILogger logger);
}
