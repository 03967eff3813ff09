using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Commits the rows of some of the keys to the database, in batches, one batch at a time. So the rows of one key are committed
/// in order, and a batch never races a later one. A row that can be neither committed nor parked is held and retried by itself,
/// so other rows do not wait for it.
/// </summary>
internal sealed partial class FlushLane(
    BackgroundLoop loop, IRowStore store, FlushSettlement settlement, RejectedKeyCache suspects, UnflushedBytes unflushed, WriteBehindOptions options,
    WriteBehindCounters counters, TimeProvider clock, ILogger logger) : IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);

    // The reason of the last failure, so that it is logged once. Accessed by the loop only.
    private string? _saidFailure;

    // Written by the loop, read by any thread.
    private volatile bool _isFailing;

    /// <summary>The rows of this lane.</summary>
    public LaneQueue Queue { get; } = new(suspects, unflushed, options, counters, clock, logger);

    /// <summary>True from a failed commit until one succeeds.</summary>
    public bool IsFailing => _isFailing || loop.IsFailing;

    /// <summary>Commits batch after batch until its queue is drained or until <paramref name="abort"/>.</summary>
    /// <remarks>If the drain times out, the remaining rows are in the journal, and the caller reports them.</remarks>
    public Task RunAsync(CancellationToken abort) => loop.RunAsync(PassAsync, abort);

    /// <summary>Commits one batch once one is due; returns false when drained.</summary>
    private async Task<bool> PassAsync(CancellationToken abort)
    {
        // The batch of a pass that failed unexpectedly starts again: committing a row twice has no further effect.
        var (batch, areHeld) = (Queue.Unfinished(), false);
        if (batch.Count == 0)
        {
            var isDrained = !await Queue.IsDueAsync(abort);
            if (!isDrained) (batch, areHeld) = Queue.TakeBatch();
            if (batch.Count == 0)
            {
                // Nothing to commit for a while: settle what was postponed.
                await settlement.FinishAsync(abort);
                return !isDrained;
            }
        }

        var rows = batch.ConvertAll(pending => pending.Row);
        var commit = new BatchCommit(rows, store, suspects, counters, logger) { IsRetry = areHeld };
        var started = clock.GetTimestamp();
        var failure = areHeld ? await TryCommitAsync(commit, abort) : null;
        if (!areHeld) await CommitAsync(commit, rows.Count, abort);

        // Read the rows again: during the commit, a row may have been marked as journaled or cached.
        var settled = Queue.Complete(batch, commit, areHeld ? clock.GetElapsedTime(started) : null, failure);
        if (areHeld && settled.Count > 0) _isFailing = false;
        if (settled.Count > 0) await settlement.SettleAsync(settled, commit.Fenced.Values.ToList(), commit.Parked, abort);
        return true;
    }

    /// <summary>Retries the commit until the database has all rows: none is dropped.</summary>
    private async Task CommitAsync(BatchCommit commit, int rows, CancellationToken abort)
    {
        for (var retry = FirstRetry; ; retry = retry * 2 < LastRetry ? retry * 2 : LastRetry)
        {
            try
            {
                await commit.RunAsync(abort);

                // All rows were refused for reasons not known to lie with a row: the database may be the cause.
                _isFailing = rows > 1 && commit.Undecided == rows;
                if (_isFailing || _saidFailure is null) return;
                _saidFailure = null;
                LogRecovered(logger, store.Description);
                return;
            }
            catch (Exception error)
            {
                // Once aborted, end whatever the store threw.
                abort.ThrowIfCancellationRequested();
                _isFailing = true;
                counters.FlushFailed(error);

                // A warning once per reason, not per attempt.
                if (_saidFailure == error.Message) LogRetryAgain(logger, rows, store.Description, retry, error.Message);
                else LogRetry(logger, rows, store.Description, retry, error is StorageUnavailableException ? error.Message : error.ToString());
                _saidFailure = error.Message;
            }

            await Task.Delay(retry * (0.5 + Random.Shared.NextDouble()), clock, abort);
        }
    }

    /// <summary>Tries once to commit held rows; returns the reason of a failure, or null.</summary>
    private async Task<string?> TryCommitAsync(BatchCommit commit, CancellationToken abort)
    {
        try
        {
            await commit.RunAsync(abort);
            return null;
        }
        catch (Exception error)
        {
            abort.ThrowIfCancellationRequested();
            counters.FlushFailed(error);
            return error.Message;
        }
    }

    public void Dispose() => Queue.Dispose();

    [LoggerMessage(EventId = 1501, Level = LogLevel.Warning, Message =
        "{Rows} rows could not be committed to {Store}; next attempt in about {Retry}: {Reason}")]
    private static partial void LogRetry(ILogger logger, int rows, string store, TimeSpan retry, string reason);

    [LoggerMessage(EventId = 1502, Level = LogLevel.Debug, Message =
        "{Rows} rows could not be committed to {Store} again; next attempt in about {Retry}: {Reason}")]
    private static partial void LogRetryAgain(ILogger logger, int rows, string store, TimeSpan retry, string reason);

    [LoggerMessage(EventId = 1503, Level = LogLevel.Information, Message = "Rows are committed to {Store} again")]
    private static partial void LogRecovered(ILogger logger, string store);
}
