using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>A row as its new owner found it.</summary>
/// <param name="Owner">The ownership to write it under.</param>
/// <param name="Row">The latest row, or null where there is none.</param>
/// <param name="IsPossiblyStale">True where the journal could not be asked.</param>
/// <param name="Writable">
/// Ends once the row may be changed: not while a former owner, on a silo that was declared dead, may still answer from memory.
/// </param>
internal readonly record struct OpenedRow(Ownership Owner, Row? Row, bool IsPossiblyStale, Task Writable);

/// <summary>
/// How a new owner finds the latest row of its key: in the journal, in this silo's queue, as a cached copy, in the database;
/// or, where the journal cannot be asked, in the database and the queue alone.
/// </summary>
internal sealed partial class RowLoader
{
    private const int StoreReaders = 4;

    private readonly IRowStore _store;
    private readonly Journal _journal;
    private readonly FlushQueue _queue;
    private readonly RowCache _cache;
    private readonly PartitionedSilos _cutOff;
    private readonly string _silo;
    private readonly ExpiringLeases _leases;
    private readonly ReadCounters _reads;
    private readonly ILogger _logger;

    // Guards the field below: over which connection of the journal the others were last asked to flush, and when that is done.
    private readonly Lock _gate = new();
    private (long Connection, Task Flushed) _others = (0, Task.CompletedTask);

    // Several, so that one slow answer does not hold up every key.
    private readonly Batcher<string, Row?>[] _storeReads;

    public RowLoader(
        IRowStore store, Journal journal, FlushQueue queue, RowCache cache, PartitionedSilos cutOff, string silo, ExpiringLeases leases,
        ReadCounters reads, ILogger logger)
    {
        (_store, _journal, _queue, _cache, _cutOff, _reads, _logger) = (store, journal, queue, cache, cutOff, reads, logger);
        (_silo, _leases) = (silo, leases);
        _storeReads = [.. Enumerable.Range(0, StoreReaders).Select(_ => new Batcher<string, Row?>(JournalPartition.MaxBatchRows, ReadStoreAndFillAsync))];
    }

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

        var writable = _leases.OverAsync(claim.FormerSilo == _silo ? null : claim.FormerSilo);
        // From here on no other owner journals it. What others had journaled before is in the database once they have flushed,
        // should this journal have lost it.
        await OthersFlushedAsync().WaitAsync(cancellationToken);
        if (claim.Row is { } journaled)
        {
            _reads.Count(ReadLayer.Redis, isHit: true);

            // Ours to flush from now on. The silo that journaled it may do so too; the second of the two is a repeat.
            _queue.Enqueue(journaled);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, journaled, cancellationToken), IsPossiblyStale: false, writable);
        }

        // What this silo has not flushed is not in the journal where it went past that, or Redis lost its data.
        if (_queue.Find(key) is { } unflushed)
        {
            _reads.Count(ReadLayer.Redis, isHit: false);
            _reads.Count(ReadLayer.Database, isHit: true);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, unflushed, cancellationToken), IsPossiblyStale: false, writable);
        }

        // Not before the claim has come back: in between, the former owner's last row could leave the journal for the
        // database, and a copy read earlier would be older than that. And not at all after an owner that did not release
        // the key: if it was cut off from Redis, it wrote to the database and could not bring the copy up to date.
        var copy = claim.WasOwned ? null : await ReadCacheAsync(key);
        if (copy?.Version < atLeast) copy = null;
        _reads.Count(ReadLayer.Redis, isHit: copy is not null);
        var row = copy ?? await ReadStoreAsync(key, cancellationToken);

        // Copies are made of rows of the database by whoever opens them: where there is no row, there is no copy.
        return new(claim.Owner with { MayBeCached = row is not null }, row, IsPossiblyStale: false, writable);
    }

    private Task OthersFlushedAsync()
    {
        var connection = _journal.Connection;
        lock (_gate)
        {
            if (connection != _others.Connection) _others = (connection, _cutOff.FlushOthersAsync());
            return _others.Flushed;
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
            return new(Ownership.WithoutJournal(key), row, IsPossiblyStale: true, _leases.OverAsync(null));
        }
        catch (StorageUnavailableException storeError)
        {
            throw new StorageUnavailableException(
                "Redis and the database", $"{WellFormedText.Quote(key)} cannot be read: {journalError.Message} {storeError.Message}");
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

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Copies} cached copies could not be read or made: {Reason}")]
    private static partial void LogCacheFailed(ILogger logger, int copies, string reason);
}
