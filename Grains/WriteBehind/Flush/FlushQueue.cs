using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>The silo's queue to the database: keys are divided among lanes under one budget of bytes.</summary>
internal sealed class FlushQueue : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    // The retry-after hint of a refused write: the time to flush a few batches, or longer while the database fails.
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryWhileFailing = TimeSpan.FromSeconds(2);

    private readonly IRowStore _store;
    private readonly FlushLane[] _lanes;
    private readonly UnflushedBytes _unflushed;
    private readonly PressureGauge _pressure;
    private readonly WriteBehindOptions _options;
    private readonly WriteBehindCounters _counters;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _abort = new();
    private Task _running = Task.CompletedTask;

    public FlushQueue(
        IRowStore store, Journal journal, RowCache cache, WriteBehindOptions options, WriteBehindCounters counters,
        TimeProvider clock, ILogger logger, BackgroundLoops? loops = null)
    {
        loops ??= new();
        logger = new SafeLogger(logger);
        _store = store;
        _clock = clock;
        _options = options;
        _counters = counters;
        _pressure = new PressureGauge(options, () => IsFailing, counters, clock, logger);
        _unflushed = new UnflushedBytes(options, _pressure);

        // A postponed entry takes less memory than a waiting row, so postponed entries stay within the same bound.
        var maxPostponed = (int)Math.Min(options.MaxUnflushedBytes / Row.Overhead / options.Lanes, 1_000_000);
        _lanes = [.. Enumerable.Range(0, options.Lanes).Select(lane => new FlushLane(
            new BackgroundLoop($"Flushing to the database (lane {lane})", loops, clock, logger),
            store, new FlushSettlement(journal, cache, maxPostponed, clock, logger), new RejectedKeyCache(store.Parked), _unflushed, options, counters, clock, logger))];
    }

    /// <summary>The rows and bytes that wait for their commit, and the age of the oldest.</summary>
    public (int Rows, long Bytes, TimeSpan Oldest) Backlog
    {
        get
        {
            var backlogs = Array.ConvertAll(_lanes, lane => lane.Queue.Backlog);
            var since = backlogs.Min(backlog => backlog.Since);
            return (backlogs.Sum(backlog => backlog.Rows), _unflushed.Current, since is { } oldest ? _clock.GetElapsedTime(oldest) : default);
        }
    }

    /// <summary>The current state of backpressure.</summary>
    public WriteBehindState State => _unflushed.State;

    /// <summary>True while journaled writes also wait for their commit.</summary>
    public bool IsWritingThrough =>
        _pressure.State >= WriteBehindState.WritingThrough && State >= WriteBehindState.WritingThrough && _pressure.IsTaking;

    /// <summary>
    /// How long to delay a write before it is made. Zero if the write will wait for its commit anyway, or will be refused because
    /// there is no room.
    /// </summary>
    public TimeSpan DelayOf(Durability durability)
    {
        if (_pressure.State == WriteBehindState.Buffering || durability == Durability.Database || !_unflushed.HasRoom) return TimeSpan.Zero;
        return durability == Durability.Journal && IsWritingThrough ? TimeSpan.Zero : _unflushed.Delay;
    }

    /// <summary>Refuses a write before any work is done for it, if no row could fit.</summary>
    /// <exception cref="OverloadedException">The ceiling is reached.</exception>
    public void Admit()
    {
        if (!_unflushed.HasRoom) throw Refused();
    }

    /// <summary>Reserves room for a row on its way to the queue; call <see cref="Release"/> once it is queued or will not be.</summary>
    /// <exception cref="OverloadedException">The row does not fit below the ceiling.</exception>
    public void Reserve(Row row)
    {
        if (!_unflushed.TryReserve(row.Bytes)) throw Refused();
    }

    /// <summary>Releases what <see cref="Reserve"/> reserved.</summary>
    public void Release(Row row) => _unflushed.Release(row.Bytes);

    /// <inheritdoc cref="LaneQueue.Enqueue"/>
    public bool Enqueue(Row row) => QueueOf(row.Key).Enqueue(row);

    /// <inheritdoc cref="LaneQueue.Find"/>
    public Row? Find(string key) => QueueOf(key).Find(key);

    /// <inheritdoc cref="LaneQueue.CommittedAsync"/>
    public Task<CommitResult> CommittedAsync(string key, long version) => QueueOf(key).CommittedAsync(key, version);

    /// <summary>
    /// Waits for the commit of <paramref name="key"/> at most for <paramref name="limit"/>, or for the commit timeout if that is null.
    /// The row still waits for its commit then.
    /// </summary>
    public async Task<CommitResult> InTimeAsync(Task<CommitResult> committing, string key, TimeSpan? limit, CancellationToken cancellationToken)
    {
        // Resumes on no grain's scheduler: its caller chooses where it goes on.
        var most = limit ?? _options.CommitTimeout;
        try
        {
            return await committing.WaitAsync(most, _clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return new(CommitOutcome.Unconfirmed,
                $"{_store.Description} did not commit {WellFormedText.Quote(key)} within {most.TotalSeconds:0.###} s. It may do so later.");
        }
    }

    /// <inheritdoc cref="LaneQueue.Suspect"/>
    public void Suspect(string key) => QueueOf(key).Suspect(key);

    /// <summary>True while the database does not accept rows.</summary>
    public bool IsFailing => Array.Exists(_lanes, lane => lane.IsFailing);

    /// <summary>The number of rows that can be neither committed nor parked at present, and the reason for one of them.</summary>
    public (int Rows, string? Reason) Held
    {
        get
        {
            var held = Array.ConvertAll(_lanes, lane => lane.Queue.Held);
            return (held.Sum(lane => lane.Rows), held.Select(lane => lane.Reason).FirstOrDefault(reason => reason is not null));
        }
    }

    /// <summary>True if more than half of the budget is used, so background work should wait.</summary>
    public bool IsHigh => _unflushed.IsHigh;

    /// <summary>Returns once all rows queued so far are committed.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        var now = _clock.GetTimestamp();
        foreach (var lane in _lanes) lane.Queue.FlushThrough(now);
        while (Array.Exists(_lanes, lane => lane.Queue.Backlog.Since <= now)) await Task.Delay(Look, _clock, cancellationToken);
    }

    /// <summary>Starts the lanes.</summary>
    public void Start() => _running = Task.WhenAll(Array.ConvertAll(_lanes, lane => Task.Run(() => lane.RunAsync(_abort.Token))));

    /// <summary>
    /// Commits the remaining rows for at most <paramref name="timeout"/> or until cancelled, then stops. Returns the number of
    /// rows that remain.
    /// </summary>
    public async Task<int> DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        await using var cancelled = cancellationToken.UnsafeRegister(static abort => ((CancellationTokenSource)abort!).Cancel(), _abort);
        foreach (var lane in _lanes) lane.Queue.Drain();
        _abort.CancelAfter(timeout);
        await _running;
        return Backlog.Rows;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Also runs after a failed start without a drain: then the lanes are still running.
        _abort.Cancel();
        foreach (var lane in _lanes) lane.Dispose();
    }

    private OverloadedException Refused()
    {
        _unflushed.Refused();
        _counters.Refused();
        return new OverloadedException(
            $"{_unflushed.Current:N0} bytes wait to be written to the database; the limit is {_options.MaxUnflushedBytes:N0}"
            + $" ({WriteBehindOptions.Section}:{nameof(_options.MaxUnflushedBytes)}). Nothing was changed; try again later.",
            !_pressure.IsTaking ? RetryWhileFailing
            : _options.FlushInterval < ShortestRetry ? ShortestRetry
            : _options.FlushInterval > LongestRetry ? LongestRetry
            : _options.FlushInterval);
    }

    // The high bits, because the low ones choose the partition of the journal.
    private LaneQueue QueueOf(string key) => _lanes[(Partition.Hash(key) >> 32) % (ulong)_lanes.Length].Queue;
}
