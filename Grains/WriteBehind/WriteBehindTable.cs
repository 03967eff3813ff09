using Actors.Caching;
using Actors.Resilience;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.WriteBehind;

/// <summary>A row as its new owner found it.</summary>
/// <param name="Owner">The ownership to write it under.</param>
/// <param name="Row">The latest row, or null where there is none.</param>
/// <param name="IsPossiblyStale">True where the journal could not be asked.</param>
internal readonly record struct OpenedRow(Ownership Owner, Row? Row, bool IsPossiblyStale);

/// <summary>A row that was written.</summary>
/// <param name="Durability">What it has reached.</param>
/// <param name="IsJournaled">True where the next owner finds it in the journal, until it is in the database and in the cached copy.</param>
internal readonly record struct WrittenRow(Durability Durability, bool IsJournaled);

/// <summary>
/// One table of the database, written behind: a write is acknowledged from the journal and reaches the table in a batch.
/// This is the whole of write-behind as a grain sees it: open a key, write it, release it.
/// </summary>
internal sealed partial class WriteBehindTable : IDisposable
{
    private const int StoreReaders = 4;

    private static readonly Task<AppendOutcome> PastTheJournal = Task.FromResult(AppendOutcome.Unavailable);

    // What is shorter no timer keeps.
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(1);

    private readonly IRowStore _store;
    private readonly RedisGateway _redis;
    private readonly CutOffSilos _cutOff;
    private readonly Journal _journal;
    private readonly RowCache _cache;
    private readonly FlushQueue _queue;
    private readonly ReadCounters _reads;

    // Several, so that one slow answer does not hold up every key.
    private readonly Batcher<string, Row?>[] _storeReads;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    public WriteBehindTable(
        IRowStore store, RedisGateway redis, RowCache cache, CutOffSilos cutOff, ILocalSiloDetails silo, IOptions<WriteBehindOptions> options,
        WriteBehindCounters counters, ReadCounters reads, TimeProvider clock, ILogger<WriteBehindTable> logger)
    {
        _store = store;
        _redis = redis;
        _cutOff = cutOff;
        _cache = cache;
        _reads = reads;
        _clock = clock;
        _logger = logger;
        Options = options.Value;
        Counters = counters;
        _journal = new Journal(redis, silo.SiloAddress.ToParsableString(), row => _queue!.Enqueue(row), counters, logger, Options.JournalPatience, clock);
        _storeReads = [.. Enumerable.Range(0, StoreReaders).Select(_ => new Batcher<string, Row?>(JournalPartition.MaxBatchRows, ReadStoreAndFillAsync))];
        _queue = new FlushQueue(store, _journal, cache, Options, counters, clock, logger);
    }

    public WriteBehindOptions Options { get; }

    /// <summary>True while the next owner may be a silo that cannot read the journal, though this one can.</summary>
    public bool IsAnyOtherCutOff => _cutOff.IsAny;

    /// <summary>True while the journal takes all writes.</summary>
    public bool IsJournaling => _redis.IsClosed(RedisRole.Journal);

    public WriteBehindCounters Counters { get; }

    /// <inheritdoc cref="FlushQueue.Backlog"/>
    public (int Rows, long Bytes, TimeSpan Oldest) Backlog => _queue.Backlog;

    /// <summary>Makes the caller the owner of <paramref name="key"/>, fencing any former, and finds its latest row.</summary>
    /// <param name="key">The key.</param>
    /// <param name="atLeast">A version that the caller knows was written: a cached copy older than that is no answer.</param>
    /// <param name="cancellationToken">Cancels the reading; the ownership may have changed all the same.</param>
    /// <exception cref="StorageUnavailableException">No place that could hold the row can be reached.</exception>
    public async Task<OpenedRow> OpenAsync(string key, long atLeast, CancellationToken cancellationToken)
    {
        Claim claim;
        try
        {
            claim = await _journal.ClaimAsync(key);
        }
        catch (RedisUnavailableException journalError)
        {
            return await OpenWithoutJournalAsync(key, journalError, cancellationToken);
        }

        if (claim.Row is { } journaled)
        {
            _reads.Count(ReadLayer.Redis, isHit: true);

            // Ours to flush from now on. The silo that journaled it may do so too; the second of the two is a repeat.
            _queue.Enqueue(journaled);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, journaled, cancellationToken), IsPossiblyStale: false);
        }

        // What this silo has not flushed is not in the journal where it went past that, or Redis lost its data.
        if (_queue.Find(key) is { } unflushed)
        {
            _reads.Count(ReadLayer.Redis, isHit: false);
            _reads.Count(ReadLayer.Database, isHit: true);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, unflushed, cancellationToken), IsPossiblyStale: false);
        }

        // Not before the claim has come back: in between, the former owner's last row could leave the journal for the
        // database, and a copy read earlier would be older than that. And not at all after an owner that did not release
        // the key: if it was cut off from Redis, it wrote to the database and could not bring the copy up to date.
        var copy = claim.WasOwned ? null : await ReadCacheAsync(key);
        if (copy?.Version < atLeast) copy = null;
        _reads.Count(ReadLayer.Redis, isHit: copy is not null);
        var row = copy ?? await ReadStoreAsync(key, cancellationToken);

        // Copies are made of rows of the database by whoever opens them: where there is no row, there is no copy.
        return new(claim.Owner with { MayBeCached = row is not null }, row, IsPossiblyStale: false);
    }

    /// <inheritdoc cref="FlushQueue.State"/>
    public WriteBehindState State => _queue.State;

    /// <summary>
    /// Holds a write back while more is written than the database takes, before it is made: see <see cref="Backpressure"/>.
    /// Usually it is not, and this costs next to nothing.
    /// </summary>
    public ValueTask PaceAsync(Durability durability, CancellationToken cancellationToken)
    {
        var delay = _queue.DelayOf(durability);
        return delay < ShortestDelay ? default : new(DelayAsync(delay, cancellationToken));
    }

    /// <summary>
    /// Refuses a write that has nowhere to go, before any work is put into it. One that is let pass may still be refused by
    /// <see cref="AppendAsync"/>, which knows how large it is.
    /// </summary>
    /// <exception cref="OverloadedException">As much is unflushed as may be.</exception>
    /// <exception cref="StorageUnavailableException">Neither the journal nor the database takes anything at present.</exception>
    public void Admit(Durability durability)
    {
        _queue.Admit();
        if (durability == Durability.Memory || IsJournaling || !_queue.IsFailing) return;
        throw new StorageUnavailableException(
            "Redis and the database", $"Nothing was changed: Redis is not in use at present, and {_store.Description} does not take anything either.");
    }

    /// <summary>
    /// Begins to write <paramref name="row"/>: into the journal, unless that knows nothing of its owner. Once it is answered,
    /// <see cref="WrittenAsync"/> is to be called: it tells what was reached. So it is with every durability: the journal
    /// alone knows whether the owner may still write, and nothing reaches the database past a later owner.
    /// </summary>
    /// <exception cref="OverloadedException">
    /// The row does not fit below the ceiling. Thrown by the call itself, not by its task: nothing has happened then.
    /// </exception>
    public Task<AppendOutcome> AppendAsync(Row row)
    {
        _queue.Reserve(row);
        return Ownership.IsEpochWithoutJournal(row.Epoch) ? PastTheJournal : _journal.AppendAsync(row);
    }

    /// <summary>Returns once <paramref name="row"/> has reached <paramref name="durability"/>, or more.</summary>
    /// <param name="row">The row.</param>
    /// <param name="outcome">What became of it in the journal.</param>
    /// <param name="durability">What is asked for.</param>
    /// <exception cref="OwnershipLostException">
    /// The key has another owner; the row was not written, unless <see cref="OwnershipLostException.IsWritten"/> says so.
    /// </exception>
    /// <exception cref="RowParkedException">
    /// It was to reach the database, which refused and parked it; the next owner finds it all the same. To a caller content
    /// with less that is no error.
    /// </exception>
    /// <exception cref="StorageUnavailableException">It took longer than a commit may. The row goes on waiting for its commit.</exception>
    public ValueTask<WrittenRow> WrittenAsync(Row row, AppendOutcome outcome, Durability durability)
    {
        var isPastJournal = outcome is AppendOutcome.Unavailable or AppendOutcome.Unknown;
        if (isPastJournal) _queue.Enqueue(row);

        // The queue has counted it by now, or it is not to come there.
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
            // Not back to the grain's scheduler at every step: a turn of the grain is needed once it is all done.
            var isJournaled = outcome == AppendOutcome.Journaled;
            if (isJournaled && durability == Durability.Journal)
                return new(await IsCommittedSoonAsync(row).ConfigureAwait(false) ? Durability.Database : durability, isJournaled);
            await CommittedAsync(row.Key, row.Version, CancellationToken.None).ConfigureAwait(false);
            return new(Durability.Database, isJournaled);
        }
        catch (RowParkedException) when (durability == Durability.Journal)
        {
            // It is in the database, though not in the table: no less durable than in the journal.
            return new(durability, IsJournaled: outcome == AppendOutcome.Journaled);
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Journaled && lost.StoredVersion > row.Version)
        {
            // Whoever claimed the key after the row was journaled found it there: the later version holds this one. To
            // write it again would be to write it twice.
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, IsWritten = true };
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Journaled && lost.StoredVersion == row.Version)
        {
            // The journal keeps it, and whoever claims the key builds on it.
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, IsLeftInJournal = true };
        }
        catch (OwnershipLostException lost) when (outcome == AppendOutcome.Unknown && lost.StoredVersion >= row.Version)
        {
            throw new OwnershipLostException(row.Key) { StoredVersion = lost.StoredVersion, MayBeWritten = true };
        }
    }

    /// <summary>
    /// As <see cref="CommittedAsync(string, long, CancellationToken)"/>, and no older copy is left in the cache by then. For
    /// a row that is not in the journal, where the next owner would find it before it looks for a copy. False where the cache
    /// cannot be reached, so that an older copy may be left.
    /// </summary>
    public async Task<bool> CommittedAndUncachedAsync(string key, long version, CancellationToken cancellationToken)
    {
        try
        {
            await CommittedAsync(key, version, cancellationToken);
        }
        catch (RowParkedException)
        {
            // It is in the database as well, and the next owner finds it there.
        }

        try
        {
            await _cache.ForgetAsync([new(key, version)]);
            return true;
        }
        catch (RedisUnavailableException error)
        {
            LogCacheFailed(_logger, 1, error.Message);
            return false;
        }
    }

    /// <inheritdoc cref="FlushQueue.FlushAsync"/>
    public Task FlushAsync(CancellationToken cancellationToken) => _queue.FlushAsync(cancellationToken);

    /// <inheritdoc cref="FlushQueue.CommittedAsync"/>
    public Task CommittedAsync(string key, long version) => _queue.CommittedAsync(key, version);

    /// <summary>As <see cref="CommittedAsync(string, long)"/>, for no longer than a commit may take.</summary>
    /// <exception cref="StorageUnavailableException">It took longer. The row goes on waiting for its commit.</exception>
    public async Task CommittedAsync(string key, long version, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.CommittedAsync(key, version).WaitAsync(Options.CommitTimeout, _clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new StorageUnavailableException(
                "the database", $"{_store.Description} did not commit '{key}' within {Options.CommitTimeout.TotalSeconds:0.###} s. It may do so later.");
        }
    }

    /// <summary>
    /// Gives up <paramref name="owner"/>. False where the next owner, who takes over just the same, may not find in the
    /// journal what this one put there: the journal cannot be reached, does not know this owner, or has lost what is not
    /// flushed yet. In the last case it is not released; it may be again, once that is committed.
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
    public Task<int> DrainAsync() => _queue.DrainAsync(Options.DrainTimeout);

    /// <summary>
    /// Takes over what silos that have gone left unflushed in one partition of the journal, and flushes it. Returns how
    /// many rows that were.
    /// </summary>
    public async Task<int> RecoverAsync(int partition, Func<string, bool> isGone, CancellationToken cancellationToken)
    {
        var recovered = 0;

        // What a silo that was cut off from Redis wrote before it went is newer than the copies it could not reach.
        await foreach (var row in _journal.AdoptAsync(partition, isGone, _cache.RemoveAsync, cancellationToken))
        {
            // Recovery can wait for the writes of the living.
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
            // It is journaled, which is what was asked for. What becomes of its commit, the lane owns and tells.
            return false;
        }
    }

    private async Task<OpenedRow> OpenWithoutJournalAsync(
        string key, RedisUnavailableException journalError, CancellationToken cancellationToken)
    {
        _reads.Count(ReadLayer.Redis, isHit: false);

        // The others flush what they have in the journal, where this silo cannot see it, and leave the cache alone, of which
        // this silo's writes will know nothing.
        await _cutOff.AnnounceAsync().WaitAsync(cancellationToken);

        // Before the database is read: what leaves the queue meanwhile is found in neither otherwise.
        var unflushed = _queue.Find(key);
        try
        {
            var row = Later(await ReadStoreAsync(key, cancellationToken), Later(unflushed, _queue.Find(key)));
            return new(Ownership.WithoutJournal(key), row, IsPossiblyStale: true);
        }
        catch (StorageUnavailableException storeError)
        {
            throw new StorageUnavailableException(
                "Redis and the database", $"'{key}' cannot be read: {journalError.Message} {storeError.Message}");
        }
    }

    // An unflushed row is the latest, unless it was left behind by an owner that had to write past a Redis that was away.
    private async Task<Row> LatestOfAsync(Ownership owner, Row unflushed, CancellationToken cancellationToken)
    {
        var latest = Later(unflushed, _queue.Find(unflushed.Key))!;
        try
        {
            var stored = await AskStoreAsync(unflushed.Key).WaitAsync(cancellationToken);
            if (stored?.Version != latest.Version || stored.Epoch == latest.Epoch) return Later(latest, stored)!;
        }
        catch (StorageUnavailableException)
        {
            return latest;
        }

        // Two owners made this version, and the table would keep that of the other: a further one settles it.
        latest = new Row(latest.Key, latest.Version + 1, owner.Epoch, latest.State);
        _queue.Enqueue(latest);
        return latest;
    }

    private async Task<Row?> ReadStoreAsync(string key, CancellationToken cancellationToken)
    {
        var row = await AskStoreAsync(key).WaitAsync(cancellationToken);
        _reads.Count(ReadLayer.Database, isHit: row is not null);
        return row;
    }

    private Task<Row?> AskStoreAsync(string key) => _storeReads[(Partition.Hash(key) >> 32) % StoreReaders].AskAsync(key);

    private async Task<IReadOnlyList<Row?>> ReadStoreAndFillAsync(IReadOnlyList<string> keys)
    {
        // The store has a time limit of its own.
        var rows = await _store.ReadAsync(keys, CancellationToken.None);
        var copied = rows;
        if (rows.Any(row => row.IsParked))
        {
            // No copy is made of these: whoever found it would not learn that the row is parked.
            foreach (var row in rows.Where(row => row.IsParked)) _queue.Suspect(row.Key);
            copied = [.. rows.Where(row => !row.IsParked)];
        }

        try
        {
            // Before the owners may write: a copy made later could be older than what was flushed meanwhile.
            if (copied.Count > 0) await _cache.FillAsync(copied);
        }
        catch (RedisUnavailableException error)
        {
            LogCacheFailed(_logger, rows.Count, error.Message);
        }

        var found = rows.ToDictionary(row => row.Key);
        return [.. keys.Select(key => found.GetValueOrDefault(key))];
    }

    private async Task<Row?> ReadCacheAsync(string key)
    {
        try
        {
            return await _cache.ReadAsync(key);
        }
        catch (RedisUnavailableException error)
        {
            LogCacheFailed(_logger, 1, error.Message);
            return null;
        }
    }

    private static Row? Later(Row? one, Row? other) =>
        one is null ? other : other is null || other.Version <= one.Version ? one : other;

    [LoggerMessage(Level = LogLevel.Debug, Message = "The ownership of '{Key}' could not be released: {Reason}")]
    private static partial void LogReleaseFailed(ILogger logger, string key, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Copies} cached copies could not be read or made: {Reason}")]
    private static partial void LogCacheFailed(ILogger logger, int copies, string reason);
}
