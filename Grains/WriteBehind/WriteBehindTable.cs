using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.WriteBehind;

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
    private static readonly Task<AppendOutcome> PastTheJournal = Task.FromResult(AppendOutcome.Unavailable);

    // What is shorter no timer keeps.
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

    /// <summary>True while the next owner may be a silo that cannot read the journal, though this one can.</summary>
    public bool IsAnyOtherCutOff => _cutOff.IsAny;

    /// <summary>True while the journal takes all writes.</summary>
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
            LogCopyLeft(_logger, key, error.Message);
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
                "the database", $"{_store.Description} did not commit {WellFormedText.Quote(key)} within {Options.CommitTimeout.TotalSeconds:0.###} s. It may do so later.")
            {
                MayHaveTakenEffect = true,
            };
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
    public Task<int> DrainAsync(CancellationToken cancellationToken = default) => _queue.DrainAsync(Options.DrainTimeout, cancellationToken);

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

    [LoggerMessage(Level = LogLevel.Debug, Message = "The ownership of '{Key}' could not be released: {Reason}")]
    private static partial void LogReleaseFailed(ILogger logger, string key, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A cached copy of '{Key}' could not be removed: {Reason}")]
    private static partial void LogCopyLeft(ILogger logger, string key, string reason);
}
