using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The rows of some of the keys on their way to the database: coalesced per key while they wait, committed in batches,
/// one batch at a time. So rows of one key are committed in order, and a batch never races a later one.
/// </summary>
internal sealed partial class FlushLane(
    IRowStore store, FlushSettlement settlement, Suspects suspects, UnflushedBytes unflushed, WriteBehindOptions options, WriteBehindCounters counters,
    TimeProvider clock, ILogger logger) : IDisposable
{
    /// <summary>How many rows that were taken out of turn may stay queued by age before they are looked for.</summary>
    private const int Spare = 64;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);

    // Guards all the fields below and every PendingRow of this lane; never held over an await.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PendingRow> _waiting = [];
    private readonly Dictionary<string, PendingRow> _committing = [];

    // The waiting rows by age, and those of them that someone waits for. Both bounded by the ceiling on unflushed bytes;
    // each may still name rows that were taken from the other.
    private readonly Queue<PendingRow> _byAge = new();
    private readonly Queue<PendingRow> _urgent = new();
    private readonly SemaphoreSlim _signal = new(0, 1);
    private bool _isDraining;
    private long _dueThrough = long.MinValue;

    // Written by the one loop, read by any thread.
    private volatile bool _isFailing;

    /// <summary>True from an attempt to commit that failed until one that succeeds.</summary>
    public bool IsFailing => _isFailing;

    /// <summary>The rows that are not committed yet, and since when the oldest of them waits (null: none).</summary>
    public (int Rows, long? Since) Backlog
    {
        get
        {
            lock (_gate)
            {
                var since = _committing.Count > 0 ? _committing.Values.Min(pending => pending.Since)
                    : PeekOldest() is { } oldest ? oldest.Since
                    : (long?)null;
                return (_waiting.Count + _committing.Count, since);
            }
        }
    }

    /// <summary>Takes <paramref name="row"/> in, unless the same or a later version of it is here already (false).</summary>
    public bool Enqueue(Row row)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue(row.Key, out var pending))
            {
                if (pending.Row.Version >= row.Version)
                {
                    // Where the one that came may be journaled or cached, that is to be settled all the same.
                    pending.Row = pending.Row.InPlaceOf(row);
                    return false;
                }

                unflushed.Add(row.Bytes - pending.Row.Bytes);
                pending.Row = row.InPlaceOf(pending.Row);
                return true;
            }

            if (_committing.TryGetValue(row.Key, out var committing) && committing.Row.Version >= row.Version)
            {
                committing.Row = committing.Row.InPlaceOf(row);
                return false;
            }

            unflushed.Add(row.Bytes);
            pending = new PendingRow(row, clock.GetTimestamp());
            _waiting.Add(row.Key, pending);
            _byAge.Enqueue(pending);
            if (_waiting.Count == 1) Signal();
            return true;
        }
    }

    /// <summary>The latest uncommitted row of <paramref name="key"/>, or null.</summary>
    public Row? Find(string key)
    {
        lock (_gate)
            return (_waiting.GetValueOrDefault(key) ?? _committing.GetValueOrDefault(key))?.Row;
    }

    /// <summary>
    /// Completes once every row of <paramref name="key"/> taken in so far, up to <paramref name="version"/>, is committed;
    /// faults with <see cref="OwnershipLostException"/> where the fence refused it, with <see cref="RowParkedException"/>
    /// where the table did and it was parked.
    /// </summary>
    public Task CommittedAsync(string key, long version)
    {
        lock (_gate)
        {
            if (_committing.TryGetValue(key, out var pending) && pending.Row.Version >= version) return pending.Committed;
            if (_waiting.TryGetValue(key, out pending))
            {
                if (!pending.IsUrgent)
                {
                    pending.IsUrgent = true;
                    _urgent.Enqueue(pending);
                    Signal();
                }

                return pending.Committed;
            }
        }

        return suspects.CommittedAsync(key, version);
    }

    /// <inheritdoc cref="Suspects.Add"/>
    public void Suspect(string key) => suspects.Add(key);

    /// <summary>Commits at once what has come until <paramref name="timestamp"/>.</summary>
    public void FlushThrough(long timestamp)
    {
        lock (_gate)
        {
            _dueThrough = Math.Max(_dueThrough, timestamp);
            Signal();
        }
    }

    /// <summary>From now on nothing is kept waiting for others to be coalesced with; <see cref="RunAsync"/> ends when all is committed.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isDraining = true;
            Signal();
        }
    }

    /// <summary>Commits batch after batch until drained or until <paramref name="abort"/>.</summary>
    public async Task RunAsync(CancellationToken abort)
    {
        try
        {
            while (await IsDueAsync(abort))
            {
                var batch = TakeBatch();
                if (batch.Count == 0)
                {
                    // Nothing to commit for a while: time for what is left over from earlier.
                    await settlement.FinishAsync(abort);
                    continue;
                }

                var rows = batch.ConvertAll(pending => pending.Row);
                var commit = new BatchCommit(rows, store, suspects, counters, logger);
                await CommitAsync(commit, rows.Count, abort);
                Complete(batch, commit);

                // As they are now: of a row that was being committed it may have come out that it is journaled or cached.
                await settlement.SettleAsync(batch.ConvertAll(pending => pending.Row), commit.Fenced, commit.Parked, abort);
            }

            await settlement.FinishAsync(abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            // The drain ran out of time; what is left is in the journal, and the caller reports it.
        }
    }

    /// <summary>Waits for a batch to be due, or for a while to pass without one: false when drained, else true.</summary>
    private async Task<bool> IsDueAsync(CancellationToken abort)
    {
        while (true)
        {
            TimeSpan wait;
            lock (_gate)
            {
                if (_urgent.Count > 0) return true;
                var oldest = PeekOldest();
                if (oldest is null && _isDraining) return false;
                wait = oldest is null ? Idle
                    : _isDraining || unflushed.IsHigh || oldest.Since <= _dueThrough ? TimeSpan.Zero
                    : options.FlushInterval - clock.GetElapsedTime(oldest.Since);
                if (oldest is not null && wait <= TimeSpan.Zero) return true;
            }

            // Rounded up: a wait of a fraction of a millisecond would spin.
            var signalled = await _signal.WaitAsync((int)Math.Ceiling(wait.TotalMilliseconds), abort);
            if (!signalled) return true;
        }
    }

    /// <summary>
    /// The rows someone waits for. Where the oldest of the others is due, half of the batch is theirs, by age: however many
    /// are waited for, nothing is left behind for good.
    /// </summary>
    private List<PendingRow> TakeBatch()
    {
        var batch = new List<PendingRow>();
        lock (_gate)
        {
            var oldest = PeekOldest();
            var isDue = oldest is not null
                && (_isDraining || unflushed.IsHigh || oldest.Since <= _dueThrough || clock.GetElapsedTime(oldest.Since) >= options.FlushInterval);
            if (isDue) Take(_byAge, batch, (options.BatchSize + 1) / 2);
            Take(_urgent, batch, options.BatchSize);
            if (isDue) Take(_byAge, batch, options.BatchSize);
            foreach (var pending in batch) _committing.Add(pending.Row.Key, pending);
            ForgetTaken();
        }

        // By key, so that the batches of two silos lock the rows they share in one order and cannot deadlock.
        batch.Sort(static (one, other) => string.CompareOrdinal(one.Row.Key, other.Row.Key));
        return batch;
    }

    private void Take(Queue<PendingRow> from, List<PendingRow> batch, int upTo)
    {
        while (batch.Count < upTo && from.TryDequeue(out var pending))
        {
            if (pending.IsTaken) continue;
            pending.IsTaken = true;
            _waiting.Remove(pending.Row.Key);
            batch.Add(pending);
        }
    }

    // A row that was taken because someone waits for it is still queued by age, maybe behind one that is not due for long;
    // such rows are counted no more, and must not pile up. One pass per doubling costs nothing that shows.
    private void ForgetTaken()
    {
        if (_byAge.Count <= Spare + (2 * _waiting.Count)) return;
        var waiting = _byAge.Where(pending => !pending.IsTaken).ToList();
        _byAge.Clear();
        foreach (var pending in waiting) _byAge.Enqueue(pending);
    }

    /// <summary>Commits the rows, again and again until the database has them all: nothing is dropped.</summary>
    private async Task CommitAsync(BatchCommit commit, int rows, CancellationToken abort)
    {
        for (var retry = FirstRetry; ; retry = retry * 2 < LastRetry ? retry * 2 : LastRetry)
        {
            try
            {
                await commit.RunAsync(abort);
                _isFailing = false;
                return;
            }
            catch (Exception error)
            {
                // Once it is to end, it ends, whatever the store makes of that.
                abort.ThrowIfCancellationRequested();
                _isFailing = true;
                counters.FlushFailed(error);
                LogRetry(logger, rows, store.Description, retry, error);
            }

            await Task.Delay(retry * (0.5 + Random.Shared.NextDouble()), clock, abort);
        }
    }

    private void Complete(List<PendingRow> batch, BatchCommit commit)
    {
        var refusals = commit.Fenced.ToDictionary(row => row.Key);
        lock (_gate)
        {
            _committing.Clear();
            foreach (var pending in batch)
            {
                unflushed.Add(-pending.Row.Bytes);
                if (commit.Parked.TryGetValue(pending.Row.Key, out var reason))
                {
                    pending.Park(reason);
                    continue;
                }

                if (!refusals.TryGetValue(pending.Row.Key, out var stored) || IsOvertaken(pending.Row, stored))
                {
                    pending.Complete();
                    continue;
                }

                counters.FenceHit();
                LogFenceHit(logger, pending.Row.Key, pending.Row.Version, pending.Row.Epoch, stored.StoredVersion, stored.StoredEpoch);
                pending.Refuse(stored.StoredVersion);
            }
        }
    }

    // A write that went by the journal may come here after a later one of the same owner that did not; the later one holds it.
    private static bool IsOvertaken(Row row, RefusedRow stored) => stored.StoredEpoch == row.Epoch && stored.StoredVersion > row.Version;

    public void Dispose() => _signal.Dispose();

    private PendingRow? PeekOldest()
    {
        while (_byAge.TryPeek(out var oldest))
        {
            if (!oldest.IsTaken) return oldest;
            _byAge.Dequeue();
        }

        return null;
    }

    private void Signal()
    {
        if (_signal.CurrentCount == 0) _signal.Release();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Rows} rows could not be committed to {Store}; next attempt in about {Retry}")]
    private static partial void LogRetry(ILogger logger, int rows, string store, TimeSpan retry, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The database refused '{Key}' version {Version} (epoch {Epoch}): it holds version {StoredVersion} (epoch {StoredEpoch}), written by another owner")]
    private static partial void LogFenceHit(
        ILogger logger, string key, long version, long epoch, long storedVersion, long storedEpoch);
}
