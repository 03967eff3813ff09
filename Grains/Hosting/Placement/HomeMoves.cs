using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;

namespace Actors.Hosting;

/// <summary>
/// Moves users and limiters to their home silo after silos have joined or left, so that a new silo takes its share and apps know again
/// where each grain is. A grain that is elsewhere works all the same, so moves take their time.
/// </summary>
internal sealed partial class HomeMoves(
    CallTargets targets, HomeView homes, WriteBehindTable table, RedisGateway redis, MembershipLease lease, BackgroundLoops loops,
    TimeProvider clock, ILogger<HomeMoves> logger) : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>Nothing moves unless the silos have been the same for this time. In a rolling update they change more often.</summary>
    private static readonly TimeSpan Stability = TimeSpan.FromSeconds(10);

    /// <summary>At most 1,000 grains a second leave this silo: each costs Redis a release, and its next call a load.</summary>
    private const int AtOnce = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly BackgroundLoop _loop = new("Moving users and limiters to their home silo", loops, clock, logger);
    private readonly CancellationTokenSource _stop = new();

    // Written by the start of the silo, read by its stop.
    private Task _running = Task.CompletedTask;

    /// <summary>Stops before the grains are deactivated.</summary>
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(HomeMoves),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _running = Task.Run(() => _loop.RunAsync(MoveAsync, _stop.Token), CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _running;
        });

    // Also runs after a failed start without a stop. The loop may still use the source, which holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    // Otherwise the grains may have state that their next activation would not find.
    private bool MayMove => table.IsReachableFromAll && redis.IsClosed(RedisRole.Limits) && lease.IsValid;

    private async Task<bool> MoveAsync(CancellationToken stop)
    {
        var version = homes.Current.Version;
        await Task.Delay(Stability, clock, stop);
        if (homes.Current.Version != version || !MayMove) return true;

        var grains = targets.All.Where(homes.IsElsewhere).ToArray();
        if (grains.Length == 0) return true;
        LogMoving(logger, grains.Length);
        foreach (var moving in grains.Chunk(AtOnce))
        {
            foreach (var grain in moving) targets.Find(grain)?.AskToMove();
            await Task.Delay(Pause, clock, stop);
            if (homes.Current.Version != version || !MayMove) break;
        }

        return true;
    }

    [LoggerMessage(EventId = 2102, Level = LogLevel.Debug, Message =
        "{Count} users and limiters of this silo have their home on another one; moving them there")]
    private static partial void LogMoving(ILogger logger, int count);
}
