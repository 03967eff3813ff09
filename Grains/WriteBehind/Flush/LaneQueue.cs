using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The uncommitted rows of a lane: those that wait, those being committed, and those that are held. Rows of a key are coalesced
/// while they wait. Any thread queues rows; the loop of the lane takes one batch at a time and completes it.
/// </summary>
internal sealed partial class LaneQueue(
    RejectedKeyCache suspects, UnflushedBytes unflushed, WriteBehindOptions options, WriteBehindCounters counters, TimeProvider clock, ILogger logger)
    : IDisposable
{
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);

    // Guards all fields below and every PendingRow of this lane; never held over an await.
    private readonly Lock _gate = new();
    private readonly WaitingRows _waiting = new();
    private readonly Dictionary<string, PendingRow> _committing = [];
    private readonly HeldRows _held = new(counters, clock);
    private readonly SemaphoreSlim _signal = new(0, 1);
    private bool _isDraining;
    private long _dueThrough = long.MinValue;

    // True if other rows were taken although held ones were due. The next batch is then of held ones, so that neither starves.
    private bool _haveHeldWaited;

    /// <summary>The number of rows that can be neither committed nor parked at present, and the reason for one of them.</summary>
    public (int Rows, string? Reason) Held
    {
        get
        {
            lock (_gate)
            {
                // Held rows that are being retried count as well.
                var tried = _committing.Values.Where(pending => pending.HeldFor is not null).ToList();
                return (_held.Count + tried.Count, _held.Reason ?? tried.FirstOrDefault()?.HeldFor);
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
                var since = _committing.Count > 0 ? _committing.Values.Min(pending => pending.Since) : _waiting.Oldest?.Since;
                if (_held.Since is { } held) since = Math.Min(since ?? long.MaxValue, held);
                return (_waiting.Count + _committing.Count + _held.Count, since);
            }
        }
    }

    /// <summary>Queues <paramref name="row"/>; returns false if the same or a later version is queued already.</summary>
    public bool Enqueue(Row row)
    {
        lock (_gate)
        {
            if ((_waiting.Find(row.Key) ?? _held.Find(row.Key)) is { } pending)
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
            _waiting.Add(pending);
            if (_waiting.Count == 1) Signal();
            return true;
        }
    }

    /// <summary>The latest uncommitted row of <paramref name="key"/>, or null.</summary>
    public Row? Find(string key)
    {
        lock (_gate)
            return (_waiting.Find(key) ?? _committing.GetValueOrDefault(key) ?? _held.Find(key))?.Row;
    }

    /// <summary>
    /// Completes once the outcome of every queued row of <paramref name="key"/> up to <paramref name="version"/> is known.
    /// </summary>
    public Task<CommitResult> CommittedAsync(string key, long version)
    {
        lock (_gate)
        {
            if (_committing.TryGetValue(key, out var committing) && committing.Row.Version >= version) return committing.Committed;
            if (_waiting.Find(key) is { } waiting)
            {
                if (_waiting.Hasten(waiting)) Signal();
                return waiting.Committed;
            }

            if (_held.Find(key) is { } held) return held.Committed;
        }

        // Not queued: it is in the database, in the table or, if the key is suspect, perhaps parked.
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

    /// <summary>Makes every row due at once, from now on.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isDraining = true;
            _held.RetryNow();
            Signal();
        }
    }

    /// <summary>Waits until a batch is due or an idle interval has passed; returns false when drained, else true.</summary>
    public async Task<bool> IsDueAsync(CancellationToken abort)
    {
        while (true)
        {
            TimeSpan wait;
            lock (_gate)
            {
                if (_waiting.HasUrgent) return true;
                var oldest = _waiting.Oldest;
                if (oldest is null && _held.Count == 0 && _isDraining) return false;
                wait = oldest is null ? Idle : UntilDue(oldest);
                if (oldest is not null && wait <= TimeSpan.Zero) return true;
                if (_held.UntilDue is { } untilHeld && untilHeld < wait) wait = untilHeld;
                if (wait <= TimeSpan.Zero) return true;
            }

            // Rounded up: a wait of a fraction of a millisecond would spin.
            var signalled = await _signal.WaitAsync((int)Math.Ceiling(wait.TotalMilliseconds), abort);
            if (!signalled) return true;
        }
    }

    /// <summary>
    /// Takes the rows that callers wait for, and others that are due. Held rows form a batch of their own when due, after one batch
    /// of other rows.
    /// </summary>
    public (List<PendingRow> Batch, bool AreHeld) TakeBatch()
    {
        var batch = new List<PendingRow>();
        bool areHeld;
        lock (_gate)
        {
            var isDue = _waiting.Oldest is { } oldest && UntilDue(oldest) <= TimeSpan.Zero;
            var areHeldDue = _held.IsDue;
            areHeld = areHeldDue && (_haveHeldWaited || (!isDue && !_waiting.HasUrgent));
            _haveHeldWaited = areHeldDue && !areHeld;
            if (areHeld) _held.Take(batch, options.BatchSize);
            else _waiting.Take(batch, options.BatchSize, isDue);
            foreach (var pending in batch) _committing[pending.Row.Key] = pending;
        }

        // Sorted by key, so that batches of two silos lock shared rows in one order and cannot deadlock.
        batch.Sort(ByKey);
        return (batch, areHeld);
    }

    /// <summary>The batch that was taken but not completed; empty if there is none.</summary>
    public List<PendingRow> Unfinished()
    {
        lock (_gate)
        {
            if (_committing.Count == 0) return [];
            var batch = _committing.Values.ToList();
            batch.Sort(ByKey);
            return batch;
        }
    }

    /// <summary>Completes the waiting callers of a batch and returns the settled rows; the others are held.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="commit">What became of its rows.</param>
    /// <param name="heldTook">How long the attempt took if the batch was of held rows; null otherwise.</param>
    /// <param name="failure">Why the attempt failed; null if it ran to its end.</param>
    public List<Row> Complete(List<PendingRow> batch, BatchCommit commit, TimeSpan? heldTook, string? failure)
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
                pending.Fence(stored.StoredVersion);
            }

            if (heldTook is { } took) _held.Reschedule(took, hasProgress: settled.Count > 0, _isDraining);
        }

        return settled;
    }

    public void Dispose() => _signal.Dispose();

    private static int ByKey(PendingRow one, PendingRow other) => string.CompareOrdinal(one.Row.Key, other.Row.Key);

    // A write that bypassed the journal may arrive after a later one of the same owner that did not; the later one includes it.
    private static bool IsOvertaken(Row row, FencedRow stored) => stored.StoredEpoch == row.Epoch && stored.StoredVersion > row.Version;

    private TimeSpan UntilDue(PendingRow pending) =>
        _isDraining || unflushed.IsHigh || pending.Since <= _dueThrough ? TimeSpan.Zero : options.FlushInterval - clock.GetElapsedTime(pending.Since);

    private void Hold(PendingRow pending, string reason)
    {
        var row = pending.Row;
        if (pending.HeldFor != reason) LogHeld(logger, row.Key, row.Version, reason);
        if (_waiting.Find(row.Key) is not { } later)
        {
            _held.Add(pending, reason);
            return;
        }

        // A later version arrived meanwhile and includes this one.
        unflushed.Add(-row.Bytes);
        later.Replace(pending);
    }

    private void Signal()
    {
        if (_signal.CurrentCount == 0) _signal.Release();
    }

    [LoggerMessage(EventId = 1504, Level = LogLevel.Warning, Message =
        "'{Key}' version {Version} can be neither committed nor parked: {Reason}. It is retried by itself; other rows do not wait for it")]
    private static partial void LogHeld(ILogger logger, string key, long version, string reason);

    [LoggerMessage(EventId = 1505, Level = LogLevel.Warning, Message =
        "The database refused '{Key}' version {Version} (epoch {Epoch}): it holds version {StoredVersion} (epoch {StoredEpoch}), written by another owner")]
    private static partial void LogFenceHit(
        ILogger logger, string key, long version, long epoch, long storedVersion, long storedEpoch);
}
