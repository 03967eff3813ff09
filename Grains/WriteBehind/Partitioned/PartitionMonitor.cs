using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.WriteBehind;

/// <summary>
/// Restores the trust in cached copies once no silo is cut off from Redis, and not before. It invalidates older copies when this
/// silo is back, and when another silo died while it was cut off.
/// </summary>
internal sealed partial class PartitionMonitor(
    PartitionedSilos cutOff, RowCache cache, RedisGateway redis, IClusterMembershipService membership, BackgroundLoops loops,
    TimeProvider clock, ILogger<PartitionMonitor> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    // In passes: every fifth pass repeats the announcement to all silos, including those that have confirmed.
    private const int RepeatEvery = 5;

    private readonly BackgroundLoop _loop = new("Watch over cached copies", loops, clock, logger);
    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    // Accessed by the loop only.
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

    // Also runs after a failed start without a stop. The loop may still use the source, which holds nothing that must be freed.
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
            // The next pass, a second later, retries; until then copies are not trusted.
            LogPostponed(logger, error.Message);
        }

        return true;
    }

    private async Task LookAsync()
    {
        // First, because it needs no Redis and the rest may fail.
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

    [LoggerMessage(EventId = 1516, Level = LogLevel.Debug, Message = "The cached copies cannot be invalidated yet: {Reason}")]
    private static partial void LogPostponed(ILogger logger, string reason);
}
