using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>Proves the membership of this silo once a second, so that calls need not, and notices silos that die.</summary>
internal sealed partial class MembershipLeaseKeeper(
    MembershipLease lease, ExpiringLeases expiring, TimeProvider clock, ILogger<MembershipLeaseKeeper> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;

    // Runs from before the first call until the last one is answered.
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

    // Also runs after a failed start, when nothing else stops the loop. The source is only cancelled because the loop may still
    // use it.
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

                // Measured from request to request, because a lease runs from the time of its request.
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

    [LoggerMessage(EventId = 1310, Level = LogLevel.Error, Message =
        "The other silos declared this silo dead. It no longer answers from memory, and stops")]
    private static partial void LogEvicted(ILogger logger);

    [LoggerMessage(EventId = 1311, Level = LogLevel.Warning, Message =
        "Neither the membership table nor all other silos confirm that this silo is a member. Users are marked possibly stale until one does")]
    private static partial void LogUnknown(ILogger logger);

    [LoggerMessage(EventId = 1312, Level = LogLevel.Information, Message = "This silo is confirmed as a member again")]
    private static partial void LogMember(ILogger logger);

    [LoggerMessage(EventId = 1313, Level = LogLevel.Error, Message = "The check of this silo's membership failed; retrying in a second")]
    private static partial void LogFailed(ILogger logger, Exception error);
}
