using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>A row as its new owner found it.</summary>
/// <param name="Owner">The ownership under which to write it.</param>
/// <param name="Row">The latest row, or null if there is none.</param>
/// <param name="IsPossiblyStale">True if the journal could not be read.</param>
/// <param name="Writable">
/// Completes once the row may be changed. It waits while a former owner on a silo that was declared dead may still answer from memory.
/// </param>
internal readonly record struct OpenedRow(Ownership Owner, Row? Row, bool IsPossiblyStale, Task Writable);

/// <summary>
/// Finds the latest row of a key for its new owner: in the journal, in this silo's queue, in the cache, then in the database.
/// If the journal is unreachable, only the queue and the database are read.
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

    // Guards the field below: the journal connection for which the other silos were last asked to flush, and when that completes.
    private readonly Lock _gate = new();
    private (long Connection, Task Flushed) _others = (0, Task.CompletedTask);

    // Several batchers, so that one slow answer does not delay every key.
    private readonly Batcher<string, Row?>[] _storeReads;

    public RowLoader(
        IRowStore store, Journal journal, FlushQueue queue, RowCache cache, PartitionedSilos cutOff, string silo, ExpiringLeases leases,
        ReadCounters reads, ILogger logger)
    {
        (_store, _journal, _queue, _cache, _cutOff, _reads, _logger) = (store, journal, queue, cache, cutOff, reads, logger);
        (_silo, _leases) = (silo, leases);
        _storeReads = [.. Enumerable.Range(0, StoreReaders).Select(_ => new Batcher<string, Row?>(JournalPartition.MaxBatchRows, ReadStoreAndFillAsync))];
    }

    /// <summary>Makes the caller the owner of <paramref name="key"/>, fences any former owner, and finds the latest row.</summary>
    /// <param name="key">The key.</param>
    /// <param name="atLeast">A version that the caller knows was written: an older cached copy is ignored.</param>
    /// <param name="cancellationToken">Cancels the read; the ownership may still have changed.</param>
    /// <exception cref="StorageUnavailableException">Neither Redis nor the database can be read.</exception>
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
        // From here on no other owner can journal this key. If this journal lost earlier rows of other silos, those rows reach the
        // database once the silos have flushed.
        await OthersFlushedAsync().WaitAsync(cancellationToken);
        if (claim.Row is { } journaled)
        {
            _reads.Count(ReadLayer.Redis, isHit: true);

            // This silo flushes the row from now on. The silo that journaled it may flush it too; the second commit is a no-op.
            _queue.Enqueue(journaled);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, journaled, cancellationToken), IsPossiblyStale: false, writable);
        }

        // Unflushed rows are missing from the journal if they bypassed it or if Redis lost its data.
        if (_queue.Find(key) is { } unflushed)
        {
            _reads.Count(ReadLayer.Redis, isHit: false);
            _reads.Count(ReadLayer.Database, isHit: true);
            return new(claim.Owner, await LatestOfAsync(claim.Owner, unflushed, cancellationToken), IsPossiblyStale: false, writable);
        }

        // Read the cache only after the claim. Before it, the former owner's last row could move from the journal to the database,
        // and a copy read earlier would be older. Skip the cache if the former owner did not release the key: if it was cut off
        // from Redis, it wrote to the database and could not update the copy.
        var copy = claim.WasOwned ? null : await ReadCacheAsync(key);
        if (copy?.Version < atLeast) copy = null;
        _reads.Count(ReadLayer.Redis, isHit: copy is not null);
        var row = copy ?? await ReadStoreAsync(key, cancellationToken);

        // Owners only cache rows that they read from the database: no row, no copy.
        return new(row is null ? claim.Owner.Uncached() : claim.Owner, row, IsPossiblyStale: false, writable);
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

        // The other silos flush their journaled rows, which this silo cannot see, and stop using the cache, which this silo's
        // writes cannot update.
        await _cutOff.AnnounceAsync().WaitAsync(cancellationToken);

        // Check the queue before the database: a row that leaves the queue in between would be missed in both.
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

    // An unflushed row is the latest, unless its owner was superseded by one that had to bypass an unreachable Redis.
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

        // Two owners made this version, and the table would keep the other one's. A further version settles it.
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
        // The store applies its own timeout.
        var rows = await _store.ReadAsync(keys, CancellationToken.None);
        var copied = rows;
        if (rows.Any(row => row.IsParked))
        {
            // Parked rows are not cached: a reader of the copy would not learn that the row is parked.
            foreach (var row in rows.Where(row => row.IsParked)) _queue.Suspect(row.Key);
            copied = [.. rows.Where(row => !row.IsParked)];
        }

        try
        {
            // Fill before owners may write: a later fill could be older than a row flushed in between.
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

    [LoggerMessage(EventId = 1521, Level = LogLevel.Debug, Message = "{Copies} cached copies could not be read or written: {Reason}")]
    private static partial void LogCacheFailed(ILogger logger, int copies, string reason);
}
