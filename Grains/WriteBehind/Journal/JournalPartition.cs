using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>What became of a row that was to be journaled.</summary>
internal enum AppendOutcome
{
    /// <summary>It is in the journal.</summary>
    Journaled,

    /// <summary>It is not, since its key has another owner.</summary>
    Fenced,

    /// <summary>It is not, since the journal cannot be reached.</summary>
    Unavailable,

    /// <summary>The journal did not answer. The row may or may not be in it.</summary>
    Unknown,
}

/// <summary>
/// Group commit for one partition of the journal: one script call is in flight at a time, and carries every row that
/// arrived while the one before it was. Under load the calls grow instead of growing in number.
/// </summary>
internal sealed partial class JournalPartition(
    RedisGateway redis, string silo, int index, Action<Row> journaled, WriteBehindCounters counters, ILogger logger)
{
    /// <summary>
    /// The most rows in one script call, and the bytes after which it takes no more: so a call blocks Redis for no more
    /// than about a millisecond.
    /// </summary>
    public const int MaxBatchRows = 500;

    /// <inheritdoc cref="MaxBatchRows"/>
    public const int MaxBatchBytes = 1 << 20;

    // Guards _waiting and _isCommitting; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // Batches that have not been sent, oldest first. Bounded by the write-behind's ceiling on unflushed bytes, which
    // every row was counted against before it came here.
    private readonly Queue<JournalBatch> _waiting = new();
    private JournalBatch? _open;
    private bool _isCommitting;

    private readonly RedisKey _last = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:last:{silo}";

    // Of the last append. Touched by the commit loop only, of which there is one at a time.
    private long _number;

    public RedisKey Owners { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:owners";

    public RedisKey Rows { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:rows";

    public RedisKey Epoch { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:epoch";

    /// <summary>Who awaits the outcome goes on where it was: a turn of the grain is needed once it is there, not at every step.</summary>
    public Task<AppendOutcome> AppendAsync(Row row)
    {
        lock (_gate)
        {
            if (_open is null or { IsFull: true }) _waiting.Enqueue(_open = new JournalBatch());
            var outcome = _open.Add(row);
            if (!_isCommitting)
            {
                _isCommitting = true;

                // On the thread pool, off the calling grain's scheduler. It owns its failures: every batch it takes is
                // completed, whatever happens.
                _ = Task.Run(CommitAsync);
            }

            return outcome;
        }
    }

    private async Task CommitAsync()
    {
        while (true)
        {
            JournalBatch? batch;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out batch))
                {
                    _isCommitting = false;
                    return;
                }

                if (ReferenceEquals(batch, _open)) _open = null;
            }

            await CommitAsync(batch);
        }
    }

    private async Task CommitAsync(JournalBatch batch)
    {
        var started = counters.Start();
        try
        {
            var fenced = (RedisValue[])(await redis.CommitAsync(
                JournalScripts.Append, [Owners, Rows, _last], batch.ToArguments(++_number)))!;
            counters.JournalCommitted(batch.Count, started);

            // Before anyone is told and in the order of the journal: so a row that is journaled is also on its way to the
            // database, and never comes there after a later one.
            batch.Complete(fenced, journaled);
        }
        catch (RedisUnavailableException error)
        {
            // The rows go another way (WriteBehindTable).
            batch.Fail(error.MayHaveHappened ? AppendOutcome.Unknown : AppendOutcome.Unavailable);
        }
        catch (Exception error)
        {
            // So they do here, but what is no outage is a defect that someone must see.
            batch.Fail(AppendOutcome.Unknown);
            LogDefect(logger, index, error);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Journal partition {Partition} failed to commit, and not because Redis is down")]
    private static partial void LogDefect(ILogger logger, int partition, Exception error);
}
