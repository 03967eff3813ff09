using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.WriteBehind;

/// <summary>
/// Flushes the rows that silos which left have journaled: once at start, and on each membership change. The active silos divide
/// the partitions. If two disagree on the division, both try, and one of them finds nothing.
/// </summary>
internal sealed partial class JournalRecovery(
    WriteBehindTable table, IClusterMembershipService membership, ILocalSiloDetails self, BackgroundLoops loops, TimeProvider clock,
    ILogger<JournalRecovery> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);

    private readonly BackgroundLoop _loop = new("Recovery of what silos left in the journal", loops, clock, logger);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    // The names of the silos that are not dead, as of a membership version. Accessed by the loop only.
    private (MembershipVersion Version, HashSet<string> Silos) _living = (MembershipVersion.MinValue, []);

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(JournalRecovery),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _running = Task.Run(() => _loop.RunAsync(WatchAsync, _stop.Token), CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _running;
        });

    // Also runs after a failed start without a stop. The loop may still use the source, which holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    private async Task<bool> WatchAsync(CancellationToken stop)
    {
        await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(stop))
        {
            await RecoverAsync(snapshot);
            table.Counters.RecoveredUpTo(snapshot.Version);
            _loop.Succeeded();
        }

        throw new InvalidOperationException("The membership update stream of Orleans has ended.");
    }

    private async Task RecoverAsync(ClusterMembershipSnapshot snapshot)
    {
        var sharing = snapshot.Members.Values
            .Where(member => member.Status == MemberStatus.Active)
            .Select(member => member.SiloAddress).Order().ToList();
        var mine = sharing.IndexOf(self.SiloAddress);
        if (mine < 0) return;
        for (var partition = mine; partition < Partition.Count; partition += sharing.Count) await RecoverAsync(partition);
    }

    // Uses the current membership: a recovery may take long, and a silo that joined meanwhile has not left.
    private bool IsGone(string silo)
    {
        var snapshot = membership.CurrentSnapshot;
        if (snapshot.Version != _living.Version)
        {
            _living = (snapshot.Version, snapshot.Members.Values
                .Where(member => member.Status is not MemberStatus.Dead and not MemberStatus.None)
                .Select(member => member.SiloAddress.ToParsableString()).ToHashSet());
        }

        return !_living.Silos.Contains(silo);
    }

    private async Task RecoverAsync(int partition)
    {
        // Retry without a limit: these rows have no other way while Redis is unavailable, and no caller waits for this loop.
        while (true)
        {
            try
            {
                var rows = await table.RecoverAsync(partition, IsGone, _stop.Token);
                if (rows > 0) LogRecovered(logger, rows, partition);
                return;
            }
            catch (RedisUnavailableException error) when (!_stop.IsCancellationRequested)
            {
                LogWaiting(logger, partition, error.Message);
            }
            catch (Exception error) when (!_stop.IsCancellationRequested)
            {
                LogPostponed(logger, partition, RetryAfter, error is StorageUnavailableException or RedisUnavailableException ? error.Message : error.ToString());
            }

            await Task.Delay(RetryAfter * (0.5 + Random.Shared.NextDouble()), clock, _stop.Token);
        }
    }

    [LoggerMessage(EventId = 1510, Level = LogLevel.Information, Message =
        "Took over {Rows} journaled rows of partition {Partition} from silos that have gone; flushing them")]
    private static partial void LogRecovered(ILogger logger, int rows, int partition);

    [LoggerMessage(EventId = 1511, Level = LogLevel.Debug, Message = "Partition {Partition} cannot be recovered yet: {Reason}")]
    private static partial void LogWaiting(ILogger logger, int partition, string reason);

    [LoggerMessage(EventId = 1512, Level = LogLevel.Warning, Message =
        "Partition {Partition} cannot be recovered yet; next attempt in about {RetryAfter}: {Reason}")]
    private static partial void LogPostponed(ILogger logger, int partition, TimeSpan retryAfter, string reason);
}
