using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>Proves the membership of this silo once a second, so that calls need not, and takes note of silos that die.</summary>
internal sealed partial class MembershipLeaseKeeper(
    MembershipLease lease, ExpiringLeases expiring, TimeProvider clock, ILogger<MembershipLeaseKeeper> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;

    // Before the first call comes and until the last one is answered.
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(MembershipLeaseKeeper),
        ServiceLifecycleStage.ApplicationServices,
        _ =>
        {
            _keeping = Task.Run(KeepAsync, CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _keeping;
        });

    // Also after a start that failed, when nobody stops it. The loop may still look at it, and it holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    private async Task KeepAsync()
    {
        var last = Standing.Member;
        try
        {
            while (true)
            {
                var began = clock.GetTimestamp();
                try
                {
                    expiring.Look();
                    var standing = await lease.RenewAsync().WaitAsync(_stop.Token);
                    if (standing != last) Log(standing);
                    last = standing;
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    LogFailed(logger, error);
                }

                // From one question to the next: a lease runs from when it was asked for.
                var left = RenewEvery - clock.GetElapsedTime(began);
                await Task.Delay(left > LeastPause ? left : LeastPause, clock, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private void Log(Standing standing)
    {
        if (standing == Standing.Evicted) LogEvicted(logger);
        else if (standing == Standing.Unknown) LogUnknown(logger);
        else LogMember(logger);
    }

    [LoggerMessage(Level = LogLevel.Error, Message =
        "This silo was declared dead by the others. It answers nothing from memory any more, and ends")]
    private static partial void LogEvicted(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Neither the membership table nor every other silo answers whether this silo is still a member. Users are marked possibly stale until one does")]
    private static partial void LogUnknown(ILogger logger);

    [LoggerMessage(Level = LogLevel.Information, Message = "This silo is known to be a member again")]
    private static partial void LogMember(ILogger logger);

    [LoggerMessage(Level = LogLevel.Error, Message = "The membership of this silo could not be looked after; trying again in a second")]
    private static partial void LogFailed(ILogger logger, Exception error);
}
