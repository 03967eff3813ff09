using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// Group commit for one partition of the journal. One script call is in flight at a time; the next carries every row that
/// arrived meanwhile. Under load the calls become larger, not more frequent.
/// </summary>
internal sealed partial class JournalPartition(
    RedisGateway redis, string silo, int index, Action<Row> journaled, WriteBehindCounters counters, ILogger logger)
{
    /// <summary>
    /// The maximum rows in one script call, and the bytes after which it takes no more. The limits keep a call from blocking Redis
    /// for more than about a millisecond.
    /// </summary>
    public const int MaxBatchRows = 500;

    /// <inheritdoc cref="MaxBatchRows"/>
    public const int MaxBatchBytes = 1 << 20;

    // Guards _waiting and _isSending; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // Unsent batches, oldest first. Bounded by the ceiling on unflushed bytes: every row is counted against it beforehand.
    private readonly Queue<JournalBatch> _waiting = new();
    private JournalBatch? _open;
    private bool _isSending;

    private readonly RedisKey _last = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:last:{silo}";

    // The number of the last append. Accessed by the append loop only, of which at most one runs.
    private long _number;

    public RedisKey Owners { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:owners";

    public RedisKey Rows { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:rows";

    public RedisKey Epoch { get; } = $"{redis.KeyPrefix}:journal:{Partition.Tag(index)}:epoch";

    /// <summary>Journals the row with the next script call, which answers it.</summary>
    public void Append(PendingAppend append)
    {
        lock (_gate)
        {
            if (_open is null or { IsFull: true }) _waiting.Enqueue(_open = new JournalBatch());
            _open.Add(append);
            if (_isSending) return;
            _isSending = true;

            // On the thread pool, off the grain's scheduler. Failures are handled inside: every batch it takes is completed.
            _ = Task.Run(SendAsync);
        }
    }

    private async Task SendAsync()
    {
        while (true)
        {
            JournalBatch? batch;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out batch))
                {
                    _isSending = false;
                    return;
                }

                if (ReferenceEquals(batch, _open)) _open = null;
            }

            await SendAsync(batch);
        }
    }

    private async Task SendAsync(JournalBatch batch)
    {
        var started = counters.Start();
        try
        {
            var fenced = (RedisValue[])(await redis.CommitAsync(
                JournalScripts.Append, [Owners, Rows, _last], batch.ToArguments(++_number)))!;
            counters.JournalCommitted(batch.Count, started);

            // Enqueue before callers are resumed, in journal order. A journaled row is then always queued for the database, and
            // never after a later one.
            batch.Complete(fenced, journaled);
        }
        catch (RedisUnavailableException error)
        {
            // The pending writes take these rows to the database directly.
            batch.Fail(error.MayHaveHappened ? AppendOutcome.Unknown : AppendOutcome.Unavailable);
        }
        catch (Exception error)
        {
            // The same fallback, but an error that is not an outage is a defect and must be logged.
            batch.Fail(AppendOutcome.Unknown);
            LogDefect(logger, index, error);
        }
    }

    [LoggerMessage(EventId = 1509, Level = LogLevel.Error, Message = "Journal partition {Partition} failed to commit with an unexpected error")]
    private static partial void LogDefect(ILogger logger, int partition, Exception error);
}
