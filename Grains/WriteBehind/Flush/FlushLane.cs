using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The rows of some of the keys on their way to the database. Rows of a key are coalesced while they wait and committed in
/// batches, one batch at a time. So the rows of one key are committed in order, and a batch never races a later one. A row that
/// can be neither committed nor parked is held and retried by itself, so other rows do not wait for it.
/// </summary>
internal sealed partial class FlushLane(
    BackgroundLoop loop, IRowStore store, FlushSettlement settlement, RejectedKeyCache suspects, UnflushedBytes unflushed, WriteBehindOptions options,
    WriteBehindCounters counters, TimeProvider clock, ILogger logger) : IDisposable
{
    /// <summary>How many already taken rows may stay in the queue by age before they are removed.</summary>
    private const int Spare = 64;

    /// <summary>How many held rows are retried at once; each may need statements of its own.</summary>
    private const int HeldBatch = 100;

    /// <summary>After an attempt with held rows, other rows get the lane for this many times its duration.</summary>
    private const int HeldPause = 9;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstHeldRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastHeldRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);

    // Guards all fields below and every PendingRow of this lane; never held over an await.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PendingRow> _waiting = [];
    private readonly Dictionary<string, PendingRow> _committing = [];

    // The waiting rows by age, and those that a caller waits for. Both are bounded by the ceiling on unflushed bytes; each may
    // still contain rows that were taken from the other.
    private readonly Queue<PendingRow> _byAge = new();
    private readonly Queue<PendingRow> _urgent = new();
    private readonly SemaphoreSlim _signal = new(0, 1);
    private bool _isDraining;
    private long _dueThrough = long.MinValue;

    // The held rows by key, and in retry order; none of them is waiting or being committed. Bounded by the ceiling on unflushed
    // bytes.
    private readonly Dictionary<string, PendingRow> _held = [];
    private readonly Queue<PendingRow> _heldInOrder = new();
    private TimeSpan _heldRetry = FirstHeldRetry;
    private long _heldDue;

    // True if other rows were taken although held ones were due. The next batch is then of held ones, so that neither starves.
    private bool _haveHeldWaited;

    // The reason of the last failure, so that it is logged once. Accessed by the loop only.
    private string? _saidFailure;

    // Written by the loop, read by any thread.
    private volatile bool _isFailing;

    /// <summary>True from a failed commit until one succeeds.</summary>
    public bool IsFailing => _isFailing || loop.IsFailing;

    /// <summary>The number of rows that can be neither committed nor parked at present, and the reason for one of them.</summary>
    public (int Rows, string? Reason) Held
    {
        get
        {
            lock (_gate)
            {
                // Held rows that are being retried count as well.
                var tried = _committing.Values.Where(pending => pending.HeldFor is not null).ToList();
                return (_held.Count + tried.Count, (_heldInOrder.TryPeek(out var first) ? first : tried.FirstOrDefault())?.HeldFor);
            }
        }
    }

    /// <summary>The number of uncommitted rows, and the timestamp of the oldest (null: none).</summary>
    public (int Rows, long? Since) Backlog
    {
        get
        {
            lock (_gate)
            {
                var since = _committing.Count > 0 ? _committing.Values.Min(pending => pending.Since)
                    : PeekOldest() is { } oldest ? oldest.Since
                    : (long?)null;
                if (_held.Count > 0) since = Math.Min(since ?? long.MaxValue, _held.Values.Min(pending => pending.Since));
                return (_waiting.Count + _committing.Count + _held.Count, since);
            }
        }
    }

    /// <summary>Queues <paramref name="row"/>; returns false if the same or a later version is queued already.</summary>
    public bool Enqueue(Row row)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue(row.Key, out var pending) || _held.TryGetValue(row.Key, out pending))
            {
                if (pending.Row.Version >= row.Version)
                {
                    // If the incoming row may be journaled or cached, that must be settled all the same.
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
            return (_waiting.GetValueOrDefault(key) ?? _committing.GetValueOrDefault(key) ?? _held.GetValueOrDefault(key))?.Row;
    }

    /// <summary>
    /// Completes once the outcome of every queued row of <paramref name="key"/> up to <paramref name="version"/> is known.
    /// </summary>
    public Task<CommitResult> CommittedAsync(string key, long version)
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

            if (_held.TryGetValue(key, out pending)) return pending.Committed;
        }

        return suspects.CommittedAsync(key, version);
    }

    /// <inheritdoc cref="RejectedKeyCache.Add"/>
    public void Suspect(string key) => suspects.Add(key);

    /// <summary>Makes all rows queued up to <paramref name="timestamp"/> due at once.</summary>
    public void FlushThrough(long timestamp)
    {
        lock (_gate)
        {
            _dueThrough = Math.Max(_dueThrough, timestamp);
            Signal();
        }
    }

    /// <summary>Stops waiting for rows to coalesce; <see cref="RunAsync"/> ends when all rows are committed.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isDraining = true;
            _heldDue = clock.GetTimestamp();
            Signal();
        }
    }

    /// <summary>Commits batch after batch until drained or until <paramref name="abort"/>.</summary>
    /// <remarks>If the drain times out, the remaining rows are in the journal, and the caller reports them.</remarks>
    public Task RunAsync(CancellationToken abort) => loop.RunAsync(PassAsync, abort);

    /// <summary>Commits one batch once one is due; returns false when drained.</summary>
    private async Task<bool> PassAsync(CancellationToken abort)
    {
        var (batch, areHeld) = (Unfinished(), false);
        if (batch.Count == 0)
        {
            var isDrained = !await IsDueAsync(abort);
            if (!isDrained) (batch, areHeld) = TakeBatch();
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
        var settled = Complete(batch, commit, areHeld ? clock.GetElapsedTime(started) : null, failure);
        if (areHeld && settled.Count > 0) _isFailing = false;
        if (settled.Count > 0) await settlement.SettleAsync(settled, commit.Fenced.Values.ToList(), commit.Parked, abort);
        return true;
    }

    // The batch of a pass that failed unexpectedly. It starts again: committing a row twice has no further effect.
    private List<PendingRow> Unfinished()
    {
        lock (_gate)
        {
            if (_committing.Count == 0) return [];
            var batch = _committing.Values.ToList();
            batch.Sort(ByKey);
            return batch;
        }
    }

    /// <summary>Waits until a batch is due or an idle interval has passed; returns false when drained, else true.</summary>
    private async Task<bool> IsDueAsync(CancellationToken abort)
    {
        while (true)
        {
            TimeSpan wait;
            lock (_gate)
            {
                if (_urgent.Count > 0) return true;
                var oldest = PeekOldest();
                if (oldest is null && _held.Count == 0 && _isDraining) return false;
                wait = oldest is null ? Idle
                    : _isDraining || unflushed.IsHigh || oldest.Since <= _dueThrough ? TimeSpan.Zero
                    : options.FlushInterval - clock.GetElapsedTime(oldest.Since);
                if (oldest is not null && wait <= TimeSpan.Zero) return true;
                if (_held.Count > 0 && UntilHeldDue() is var untilHeld && untilHeld < wait) wait = untilHeld;
                if (wait <= TimeSpan.Zero) return true;
            }

            // Rounded up: a wait of a fraction of a millisecond would spin.
            var signalled = await _signal.WaitAsync((int)Math.Ceiling(wait.TotalMilliseconds), abort);
            if (!signalled) return true;
        }
    }

    /// <summary>
    /// Takes the rows that callers wait for. If the oldest of the others is due, half of the batch is taken by age, so urgent rows
    /// never starve them. Held rows form a batch of their own when due, after one batch of other rows.
    /// </summary>
    private (List<PendingRow> Batch, bool AreHeld) TakeBatch()
    {
        var batch = new List<PendingRow>();
        bool areHeld;
        lock (_gate)
        {
            var oldest = PeekOldest();
            var isDue = oldest is not null
                && (_isDraining || unflushed.IsHigh || oldest.Since <= _dueThrough || clock.GetElapsedTime(oldest.Since) >= options.FlushInterval);
            var areHeldDue = _held.Count > 0 && UntilHeldDue() <= TimeSpan.Zero;
            areHeld = areHeldDue && (_haveHeldWaited || (!isDue && _urgent.Count == 0));
            _haveHeldWaited = areHeldDue && !areHeld;
            if (areHeld)
            {
                TakeHeld(batch);
            }
            else
            {
                if (isDue) Take(_byAge, batch, (options.BatchSize + 1) / 2);
                Take(_urgent, batch, options.BatchSize);
                if (isDue) Take(_byAge, batch, options.BatchSize);
            }

            foreach (var pending in batch) _committing[pending.Row.Key] = pending;
            ForgetTaken();
        }

        // Sorted by key, so that batches of two silos lock shared rows in one order and cannot deadlock.
        batch.Sort(ByKey);
        return (batch, areHeld);
    }

    private static int ByKey(PendingRow one, PendingRow other) => string.CompareOrdinal(one.Row.Key, other.Row.Key);

    private TimeSpan UntilHeldDue() => clock.GetElapsedTime(clock.GetTimestamp(), _heldDue);

    private void TakeHeld(List<PendingRow> batch)
    {
        while (batch.Count < Math.Min(options.BatchSize, HeldBatch) && _heldInOrder.TryDequeue(out var pending))
        {
            _held.Remove(pending.Row.Key);
            batch.Add(pending);
        }
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

    // A row taken as urgent stays in the queue by age, possibly behind one that is not due for long. Such rows no longer count
    // against the ceiling and must not pile up. The amortized cost is one pass per doubling.
    private void ForgetTaken()
    {
        if (_byAge.Count <= Spare + (2 * _waiting.Count)) return;
        var waiting = _byAge.Where(pending => !pending.IsTaken).ToList();
        _byAge.Clear();
        foreach (var pending in waiting) _byAge.Enqueue(pending);
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

    /// <summary>Completes the waiting callers of a batch and returns the settled rows; the others are held.</summary>
    private List<Row> Complete(List<PendingRow> batch, BatchCommit commit, TimeSpan? heldTook, string? failure)
    {
        var settled = new List<Row>(batch.Count);
        lock (_gate)
        {
            _committing.Clear();
            foreach (var pending in batch)
            {
                if ((commit.Held.GetValueOrDefault(pending.Row.Key) ?? failure) is { } heldFor)
                {
                    Hold(pending, heldFor);
                    continue;
                }

                pending.HeldFor = null;
                settled.Add(pending.Row);
                unflushed.Add(-pending.Row.Bytes);
                if (commit.Parked.TryGetValue(pending.Row.Key, out var reason))
                {
                    pending.Park(reason);
                    continue;
                }

                if (!commit.Fenced.TryGetValue(pending.Row.Key, out var stored) || IsOvertaken(pending.Row, stored))
                {
                    pending.Complete();
                    continue;
                }

                counters.FenceHit();
                LogFenceHit(logger, pending.Row.Key, pending.Row.Version, pending.Row.Epoch, stored.StoredVersion, stored.StoredEpoch);
                pending.Refuse(stored.StoredVersion);
            }

            if (heldTook is { } took) ScheduleHeld(took, hasProgress: settled.Count > 0);
        }

        return settled;
    }

    private void Hold(PendingRow pending, string reason)
    {
        var row = pending.Row;
        if (pending.HeldFor != reason) LogHeld(logger, row.Key, row.Version, reason);
        if (_waiting.TryGetValue(row.Key, out var later))
        {
            // A later version arrived meanwhile and includes this one.
            unflushed.Add(-row.Bytes);
            later.Replace(pending);
            return;
        }

        if (_held.Count == 0) (_heldRetry, _heldDue) = (FirstHeldRetry, After(FirstHeldRetry));
        pending.HeldFor = reason;
        _held[row.Key] = pending;
        _heldInOrder.Enqueue(pending);
        counters.Held(reason);
    }

    // Most of the lane's time belongs to other rows, which must wait during an attempt.
    private void ScheduleHeld(TimeSpan took, bool hasProgress)
    {
        _heldRetry = hasProgress ? FirstHeldRetry : _heldRetry * 2 < LastHeldRetry ? _heldRetry * 2 : LastHeldRetry;
        var backoff = hasProgress ? TimeSpan.Zero : _heldRetry * (0.5 + Random.Shared.NextDouble());
        var pause = _isDraining ? TimeSpan.Zero : took * HeldPause < LastHeldRetry ? took * HeldPause : LastHeldRetry;
        _heldDue = After(backoff > pause ? backoff : pause);
    }

    private long After(TimeSpan span) => clock.GetTimestamp() + (long)(span.TotalSeconds * clock.TimestampFrequency);

    // A write that bypassed the journal may arrive after a later one of the same owner that did not; the later one includes it.
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

    [LoggerMessage(EventId = 1501, Level = LogLevel.Warning, Message =
        "{Rows} rows could not be committed to {Store}; next attempt in about {Retry}: {Reason}")]
    private static partial void LogRetry(ILogger logger, int rows, string store, TimeSpan retry, string reason);

    [LoggerMessage(EventId = 1502, Level = LogLevel.Debug, Message =
        "{Rows} rows could not be committed to {Store} again; next attempt in about {Retry}: {Reason}")]
    private static partial void LogRetryAgain(ILogger logger, int rows, string store, TimeSpan retry, string reason);

    [LoggerMessage(EventId = 1503, Level = LogLevel.Information, Message = "Rows are committed to {Store} again")]
    private static partial void LogRecovered(ILogger logger, string store);

    [LoggerMessage(EventId = 1504, Level = LogLevel.Warning, Message =
        "'{Key}' version {Version} can be neither committed nor parked: {Reason}. It is retried by itself; other rows do not wait for it")]
    private static partial void LogHeld(ILogger logger, string key, long version, string reason);

    [LoggerMessage(EventId = 1505, Level = LogLevel.Warning, Message =
        "The database refused '{Key}' version {Version} (epoch {Epoch}): it holds version {StoredVersion} (epoch {StoredEpoch}), written by another owner")]
    private static partial void LogFenceHit(
        ILogger logger, string key, long version, long epoch, long storedVersion, long storedEpoch);
}
