using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.WriteBehind;

/// <summary>A row that was written.</summary>
/// <param name="Durability">The durability it has reached.</param>
/// <param name="IsJournaled">True if the next owner finds it in the journal until the database and the cached copy hold it.</param>
internal readonly record struct WrittenRow(Durability Durability, bool IsJournaled);

/// <summary>
/// One table of the database, written behind: a write is acknowledged from the journal and reaches the table in a batch.
/// This is the whole interface of write-behind to a grain: open a key, write it, release it.
/// </summary>
internal sealed partial class WriteBehindTable : IDisposable
{
    private static readonly Task<AppendOutcome> PastTheJournal = Task.FromResult(AppendOutcome.Unavailable);

    // Timers cannot honour shorter delays.
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(1);

    private readonly IRowStore _store;
    private readonly RedisGateway _redis;
    private readonly PartitionedSilos _cutOff;
    private readonly Journal _journal;
    private readonly RowCache _cache;
    private readonly FlushQueue _queue;
    private readonly RowLoader _opening;
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
        _opening = new RowLoader(store, _journal, _queue, cache, cutOff, name, leases, reads, _logger);
    }

    public WriteBehindOptions Options { get; }

    /// <summary>True while another silo, which may become the next owner, cannot read the journal.</summary>
    public bool IsAnyOtherCutOff => _cutOff.IsAny;

    /// <summary>True while the journal accepts all writes.</summary>
    public bool IsJournaling => _redis.IsClosed(RedisRole.Journal);

    public WriteBehindCounters Counters { get; }

    /// <inheritdoc cref="FlushQueue.Backlog"/>
    public (int Rows, long Bytes, TimeSpan Oldest) Backlog => _queue.Backlog;

    /// <inheritdoc cref="FlushQueue.Held"/>
    public (int Rows, string? Reason) Held => _queue.Held;

    /// <inheritdoc cref="RowLoader.OpenAsync"/>
    public Task<OpenedRow> OpenAsync(string key, long atLeast, CancellationToken cancellationToken) =>
        _opening.OpenAsync(key, atLeast, cancellationToken);

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
    /// Refuses a write that cannot be stored, before any work is done for it. <see cref="AppendAsync"/> may still refuse an
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
    /// Begins to write <paramref name="row"/> to the journal, unless the journal does not know its owner. The caller must then
    /// pass the outcome to <see cref="WrittenAsync"/>, which returns the durability reached. Every durability goes through the
    /// journal: only the journal knows whether the owner may still write, so no write bypasses a later owner.
    /// </summary>
    /// <exception cref="OverloadedException">
    /// The row does not fit below the ceiling. Thrown by the call itself, not by its task; nothing has happened then.
    /// </exception>
    public Task<AppendOutcome> AppendAsync(Row row)
    {
        _queue.Reserve(row);
        return Ownership.IsEpochWithoutJournal(row.Epoch) ? PastTheJournal : _journal.AppendAsync(row);
    }

    /// <summary>Returns once <paramref name="row"/> has reached at least <paramref name="durability"/>.</summary>
    /// <param name="row">The row.</param>
    /// <param name="outcome">The outcome of the append to the journal.</param>
    /// <param name="durability">The durability requested.</param>
    /// <exception cref="OwnershipLostException">
    /// The key has another owner; the row was not written, unless <see cref="OwnershipLostException.IsWritten"/> says so.
    /// </exception>
    /// <exception cref="RowParkedException">
    /// The database was requested, and it refused and parked the row; the next owner still finds it. A caller that requests less
    /// does not get this error.
    /// </exception>
    /// <exception cref="StorageUnavailableException">The commit timed out. The row still waits for its commit.</exception>
    public ValueTask<WrittenRow> WrittenAsync(Row row, AppendOutcome outcome, Durability durability)
    {
        var isPastJournal = outcome is AppendOutcome.Unavailable or AppendOutcome.Unknown;
        if (isPastJournal) _queue.Enqueue(row);

        // The queue counts the row by now, or never will.
        _queue.Release(row);
        if (outcome == AppendOutcome.Fenced) return ValueTask.FromException<WrittenRow>(new OwnershipLostException(row.Key));
        return durability == Durability.Memory || (durability == Durability.Journal && outcome == AppendOutcome.Journaled && !_queue.IsWritingThrough)
            ? ValueTask.FromResult(new WrittenRow(durability, IsJournaled: !isPastJournal))
            : new(CommittedAsync(row, outcome, durability));
    }

    private async Task<WrittenRow> CommittedAsync(Row row, AppendOutcome outcome, Durability durability)
    {
        try
        {
            // Do not resume on the grain's scheduler at every step: the grain needs a turn only at the end.
            var isJournaled = outcome == AppendOutcome.Journaled;
            if (isJournaled && durability == Durability.Journal)
                return new(await IsCommittedSoonAsync(row).ConfigureAwait(false) ? Durability.Database : durability, isJournaled);
            await CommittedAsync(row.Key, row.Version, CancellationToken.None).ConfigureAwait(false);
            return new(Durability.Database, isJournaled);
        }
        catch (RowParkedException) when (durability == Durability.Journal)
        {
            // A parked row is in the database, outside the table: no less durable than in the journal.
            return new(durability, IsJournaled: outcome == AppendOutcome.Journaled);
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Journaled && lost.StoredVersion > row.Version)
        {
            // The next owner found the row in the journal, and its later version includes this write. Writing it again would apply
            // it twice.
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, IsWritten = true };
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Journaled && lost.StoredVersion == row.Version)
        {
            // The journal keeps the row, and the next owner builds on it.
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, IsLeftInJournal = true };
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Unknown && lost.StoredVersion >= row.Version)
        {
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, MayBeWritten = true };
        }
    }

    /// <summary>
    /// As <see cref="CommittedAsync(string, long, CancellationToken)"/>, and also removes older copies from the cache. For a row
    /// that is not in the journal, which the next owner would read before the cache. False if the cache is unreachable, so an
    /// older copy may remain.
    /// </summary>
    public async Task<bool> CommittedAndUncachedAsync(string key, long version, CancellationToken cancellationToken)
    {
        try
        {
            await CommittedAsync(key, version, cancellationToken);
        }
        catch (RowParkedException)
        {
            // The parked row is in the database too, and the next owner finds it there.
        }

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

    /// <inheritdoc cref="FlushQueue.CommittedAsync"/>
    public Task CommittedAsync(string key, long version) => _queue.CommittedAsync(key, version);

    /// <summary>As <see cref="CommittedAsync(string, long)"/>, but limited to the commit timeout.</summary>
    /// <exception cref="StorageUnavailableException">The commit timed out. The row still waits for its commit.</exception>
    public async Task CommittedAsync(string key, long version, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.CommittedAsync(key, version).WaitAsync(Options.CommitTimeout, _clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new StorageUnavailableException(
                "the database", $"{_store.Description} did not commit {WellFormedText.Quote(key)} within {Options.CommitTimeout.TotalSeconds:0.###} s. It may do so later.")
            {
                MayHaveTakenEffect = true,
            };
        }
    }

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

    private async Task<bool> IsCommittedSoonAsync(Row row)
    {
        try
        {
            await _queue.CommittedAsync(row.Key, row.Version).WaitAsync(Backpressure.MaxThrough, _clock).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (error is TimeoutException or StorageUnavailableException)
        {
            // The row is journaled, as requested. The lane retries and reports its commit.
            return false;
        }
    }

    [LoggerMessage(EventId = 1524, Level = LogLevel.Debug, Message = "The ownership of '{Key}' could not be released: {Reason}")]
    private static partial void LogReleaseFailed(ILogger logger, string key, string reason);

    [LoggerMessage(EventId = 1525, Level = LogLevel.Debug, Message = "A cached copy of '{Key}' could not be removed: {Reason}")]
    private static partial void LogCopyLeft(ILogger logger, string key, string reason);
}
