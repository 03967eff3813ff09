using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.WriteBehind;

/// <summary>
/// One table of the database, written behind: a write is acknowledged from the journal and reaches the table in a batch.
/// This is the whole interface of write-behind to a grain: open a key, write it, release it.
/// </summary>
internal sealed partial class WriteBehindTable : IDisposable
{
    // Timers cannot honour shorter delays.
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(1);

    private readonly IRowStore _store;
    private readonly RedisGateway _redis;
    private readonly PartitionedSilos _cutOff;
    private readonly Journal _journal;
    private readonly RowCache _cache;
    private readonly FlushQueue _queue;
    private readonly RowLoader _loader;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    public WriteBehindTable(
        IRowStore store, RedisGateway redis, RowCache cache, PartitionedSilos cutOff, ExpiringLeases leases, ILocalSiloDetails silo,
        IOptions<WriteBehindOptions> options, WriteBehindCounters counters, ReadCounters reads, TimeProvider clock,
        ILogger<WriteBehindTable> logger, BackgroundLoops? loops = null)
    {
        _store = store;
        _redis = redis;
        _cutOff = cutOff;
        _cache = cache;
        _clock = clock;
        _logger = new SafeLogger(logger);
        Options = options.Value;
        Counters = counters;
        var name = silo.SiloAddress.ToParsableString();
        _journal = new Journal(redis, name, row => _queue!.Enqueue(row), counters, _logger, Options.JournalGracePeriod, clock);
        _queue = new FlushQueue(store, _journal, cache, Options, counters, clock, _logger, loops);
        _loader = new RowLoader(store, _journal, _queue, cache, cutOff, name, leases, reads, _logger);
    }

    public WriteBehindOptions Options { get; }

    /// <summary>True while another silo, which may become the next owner, cannot read the journal.</summary>
    public bool IsAnyOtherCutOff => _cutOff.IsAny;

    /// <summary>True while the journal accepts all writes.</summary>
    public bool IsJournaling => _redis.IsClosed(RedisRole.Journal);

    public WriteBehindCounters Counters { get; }

    /// <summary>True if any silo would find every row: all reach the journal, and the database takes rows, as far as this silo knows.</summary>
    public bool IsReachableFromAll => IsJournaling && !IsAnyOtherCutOff && !_queue.IsFailing;

    /// <inheritdoc cref="FlushQueue.Backlog"/>
    public (int Rows, long Bytes, TimeSpan Oldest) Backlog => _queue.Backlog;

    /// <inheritdoc cref="FlushQueue.Held"/>
    public (int Rows, string? Reason) Held => _queue.Held;

    /// <inheritdoc cref="RowLoader.OpenAsync"/>
    public Task<OpenedRow> OpenAsync(string key, long atLeast, CancellationToken cancellationToken) =>
        _loader.OpenAsync(key, atLeast, cancellationToken);

    /// <inheritdoc cref="FlushQueue.State"/>
    public WriteBehindState State => _queue.State;

    /// <summary>
    /// Delays a write, before it is made, while writes arrive faster than the database takes them: see <see cref="Backpressure"/>.
    /// Usually returns at once and costs next to nothing.
    /// </summary>
    public ValueTask PaceAsync(Durability durability, CancellationToken cancellationToken)
    {
        var delay = _queue.DelayOf(durability);
        return delay < ShortestDelay ? default : new(DelayAsync(delay, cancellationToken));
    }

    /// <summary>
    /// Refuses a write that cannot be stored, before any work is done for it. <see cref="Begin"/> may still refuse an
    /// admitted write, because only it knows the size.
    /// </summary>
    /// <exception cref="OverloadedException">The ceiling on unflushed bytes is reached.</exception>
    /// <exception cref="StorageUnavailableException">Neither the journal nor the database accepts writes at present.</exception>
    public void Admit(Durability durability)
    {
        _queue.Admit();
        if (durability == Durability.Memory || IsJournaling || !_queue.IsFailing) return;
        throw new StorageUnavailableException(
            "Redis and the database", $"Nothing was changed: Redis is unavailable, and {_store.Description} does not accept writes either.");
    }

    /// <summary>
    /// Begins to write <paramref name="row"/>: it goes to the journal, unless the journal does not know its owner. The write owns the
    /// room for the row and takes it to the database; await it for <paramref name="durability"/>.
    /// </summary>
    /// <exception cref="OverloadedException">The row does not fit below the ceiling. Nothing has happened then.</exception>
    public PendingWrite Begin(Ownership owner, Row row, Durability durability)
    {
        var write = new PendingWrite(_queue, owner, row, durability);
        _queue.Reserve(row);
        try
        {
            if (owner.IsWithoutJournal) write.Answer(AppendOutcome.Unavailable);
            else _journal.Append(write);
            return write;
        }
        catch
        {
            write.Release();
            throw;
        }
    }

    /// <summary>
    /// Returns once all rows of <paramref name="key"/> up to <paramref name="version"/> are committed, at most after the commit
    /// timeout.
    /// </summary>
    public async Task<WriteResult> CommittedAsync(string key, long version, CancellationToken cancellationToken)
    {
        var commit = await _queue.InTimeAsync(_queue.CommittedAsync(key, version), key, limit: null, cancellationToken).ConfigureAwait(false);
        return commit.Outcome switch
        {
            CommitOutcome.Committed => WriteResult.Reached(Durability.Database, isJournaled: false),
            CommitOutcome.Fenced => new(WriteOutcome.NotWritten)
            {
                Reason = $"The ownership of {WellFormedText.Quote(key)} has passed to another activation.",
            },
            CommitOutcome.Parked => new(WriteOutcome.Parked) { Reason = commit.Reason },
            _ => new(WriteOutcome.Unconfirmed) { Reason = commit.Reason },
        };
    }

    /// <summary>
    /// Removes cached copies older than <paramref name="version"/>, for a row that is not in the journal, which the next owner would
    /// read before the cache. False if the cache is unreachable, so an older copy may remain.
    /// </summary>
    public async Task<bool> UncacheAsync(string key, long version)
    {
        try
        {
            await _cache.ForgetAsync([new(key, version)]);
            return true;
        }
        catch (RedisUnavailableException error)
        {
            LogCopyLeft(_logger, key, error.Message);
            return false;
        }
    }

    /// <inheritdoc cref="FlushQueue.FlushAsync"/>
    public Task FlushAsync(CancellationToken cancellationToken) => _queue.FlushAsync(cancellationToken);

    /// <summary>
    /// Gives up <paramref name="owner"/>. False if the next owner, which takes over anyway, may not find this owner's rows in the
    /// journal: the journal is unreachable, does not know this owner, or has lost unflushed rows. In the last case the key is not
    /// released; the caller may try again once those rows are committed.
    /// </summary>
    public async Task<bool> ReleaseAsync(Ownership owner)
    {
        if (owner.IsWithoutJournal) return false;
        try
        {
            return await _journal.ReleaseAsync(owner, _queue.Find(owner.Key)?.Version ?? 0);
        }
        catch (RedisUnavailableException error)
        {
            LogReleaseFailed(_logger, owner.Key, error.Message);
            return false;
        }
    }

    /// <summary>Starts flushing.</summary>
    public void Start() => _queue.Start();

    /// <inheritdoc cref="FlushQueue.DrainAsync"/>
    public Task<int> DrainAsync(CancellationToken cancellationToken = default) => _queue.DrainAsync(Options.DrainTimeout, cancellationToken);

    /// <summary>
    /// Takes over the rows that silos which left have not flushed in one partition of the journal, and flushes them. Returns
    /// the number of rows.
    /// </summary>
    public async Task<int> RecoverAsync(int partition, Func<string, bool> isGone, CancellationToken cancellationToken)
    {
        var recovered = 0;

        // A silo that was cut off from Redis wrote rows that are newer than the copies it could not reach.
        await foreach (var row in _journal.AdoptAsync(partition, isGone, _cache.RemoveAsync, cancellationToken))
        {
            // Recovery yields to the writes of live silos.
            while (_queue.IsHigh) await Task.Delay(Options.FlushInterval, _clock, cancellationToken);
            if (!_queue.Enqueue(row)) continue;
            Counters.Recovered();
            recovered++;
        }

        if (recovered > 0) Counters.RecoveryDone();
        return recovered;
    }

    /// <inheritdoc/>
    public void Dispose() => _queue.Dispose();

    private async Task DelayAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        Counters.Slowed();
        await Task.Delay(delay, _clock, cancellationToken);
    }

    [LoggerMessage(EventId = 1524, Level = LogLevel.Debug, Message = "The ownership of '{Key}' could not be released: {Reason}")]
    private static partial void LogReleaseFailed(ILogger logger, string key, string reason);

    [LoggerMessage(EventId = 1525, Level = LogLevel.Debug, Message = "A cached copy of '{Key}' could not be removed: {Reason}")]
    private static partial void LogCopyLeft(ILogger logger, string key, string reason);
}
