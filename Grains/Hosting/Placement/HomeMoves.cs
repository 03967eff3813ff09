using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.Hosting;

/// <summary>
/// Moves users and limiters to their home silo after silos have joined or left, so that a new silo takes its share and apps again know
/// where each grain is. A grain that is elsewhere works all the same, so moves take their time.
/// </summary>
internal sealed partial class HomeMoves(
    CallTargets targets, HomeView homes, RedisGateway redis, MembershipLease lease, BackgroundLoops loops, TimeProvider clock,
    ILogger<HomeMoves> logger) : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>The silos must have been the same for this time: in a rolling update, one joins or leaves every few seconds.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    /// <summary>All moves take about 30 s: a call that arrives during the move of its grain waits for some milliseconds.</summary>
    private const int Steps = 300;

    /// <summary>At most 2,000 a second: each move costs Redis and the new home a load.</summary>
    private const int MostPerStep = 200;

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
            _running = Task.Run(() => _loop.RunAsync(LookAsync, _stop.Token), CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _running;
        });

    // Also runs after a failed start without a stop. The loop may still use the source, which holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    // During an outage of Redis the grains hold what the next activation could not read.
    private bool MayMove => redis.IsClosed(RedisRole.Journal) && redis.IsClosed(RedisRole.Limits) && lease.IsValid;

    private async Task<bool> LookAsync(CancellationToken stop)
    {
        var version = homes.Current.Version;
        await Task.Delay(LookEvery, clock, stop);
        if (homes.Current.Version != version || !MayMove) return true;

        var grains = targets.All.Where(target => homes.IsElsewhere(target.Context.GrainId)).ToArray();
        if (grains.Length == 0) return true;
        LogMoving(logger, grains.Length);
        foreach (var step in grains.Chunk(Math.Min((grains.Length / Steps) + 1, MostPerStep)))
        {
            foreach (var grain in step) grain.Context.Migrate(null, CancellationToken.None);
            await Task.Delay(Step, clock, stop);
            if (homes.Current.Version != version || !MayMove) break;
        }

        return true;
    }

    [LoggerMessage(EventId = 2102, Level = LogLevel.Information, Message =
        "{Count} users and limiters of this silo have their home on another one since silos joined or left; moving them there")]
    private static partial void LogMoving(ILogger logger, int count);
}
