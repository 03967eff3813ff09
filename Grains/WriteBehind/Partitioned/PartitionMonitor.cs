using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.WriteBehind;

/// <summary>
/// Sees to it that cached copies are trusted again once no silo is cut off from Redis, and not before: it makes older copies
/// void for this silo when it is back, and for one that died while it was cut off.
/// </summary>
internal sealed partial class PartitionMonitor(
    PartitionedSilos cutOff, RowCache cache, RedisGateway redis, IClusterMembershipService membership, BackgroundLoops loops,
    TimeProvider clock, ILogger<PartitionMonitor> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    // In looks: then all others are told again, also those that have confirmed.
    private const int RepeatEvery = 5;

    private readonly BackgroundLoop _loop = new("Watch over cached copies", loops, clock, logger);
    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    // Touched by the one loop only.
    private int _looks;

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(PartitionMonitor),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _watching = Task.Run(() => _loop.RunAsync(WatchAsync, _stop.Token), CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _watching;
        });

    // Also after a start that failed, when nobody stops it. The loop may still look at it, and it holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    private async Task<bool> WatchAsync(CancellationToken stop)
    {
        await Task.Delay(LookEvery, clock, stop);
        try
        {
            await LookAsync();
        }
        catch (RedisUnavailableException error)
        {
            // Looked at again in a second; until then the copies are not trusted.
            LogPostponed(logger, error.Message);
        }

        return true;
    }

    private async Task LookAsync()
    {
        // First: it needs no Redis, and the rest may fail.
        await cutOff.ConvergeAsync(all: ++_looks % RepeatEvery == 0);
        if (cutOff.IsAnnounced && redis.IsClosed(RedisRole.Journal) && redis.IsClosed(RedisRole.Cache))
            await cutOff.WithdrawAsync(cache.VoidAsync);

        foreach (var silo in cutOff.Heard.Where(IsGone))
        {
            if (cutOff.All.Contains(silo)) await cache.VoidAsync();
            cutOff.Forget(silo);
        }
    }

    private bool IsGone(SiloAddress silo) => membership.CurrentSnapshot.GetSiloStatus(silo) is MemberStatus.Dead or MemberStatus.None;

    [LoggerMessage(Level = LogLevel.Debug, Message = "The cached copies cannot be made void yet: {Reason}")]
    private static partial void LogPostponed(ILogger logger, string reason);
}
