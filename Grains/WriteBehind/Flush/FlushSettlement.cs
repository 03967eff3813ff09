using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The work after a commit: first updates the cached copies, then trims the journal. In the reverse order, a user might be read
/// from an old copy in between. Used by one lane, one call at a time.
/// </summary>
internal sealed partial class FlushSettlement(Journal journal, RowCache cache, int maxPostponed, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // Flushed rows that could not be settled because Redis was unavailable, by key. At most maxPostponed; any others are settled
    // when their key is claimed or recovered.
    private readonly Dictionary<string, FlushedRow> _postponed = [];
    private long _postponedSince;
    private Task _settling = Task.CompletedTask;

    /// <summary>
    /// Starts to settle a committed batch; parked rows are in the database as well. Returns while this is still in progress, so that
    /// the next batch can be committed meanwhile; the next call waits for it first.
    /// </summary>
    public async Task SettleAsync(
        IReadOnlyList<Row> rows, IReadOnlyCollection<FencedRow> fenced, IReadOnlyDictionary<string, string> parked, CancellationToken abort)
    {
        await SettledAsync(abort);
        _settling = SettleOneAsync(rows, fenced, parked);
    }

    /// <summary>Waits for the last settlement, then retries what was postponed.</summary>
    public async Task FinishAsync(CancellationToken abort)
    {
        await SettledAsync(abort);
        if (_postponed.Count == 0) return;
        _settling = RetryPostponedAsync();
        await SettledAsync(abort);
    }

    private async Task SettledAsync(CancellationToken abort)
    {
        try
        {
            await _settling.WaitAsync(abort);
        }
        finally
        {
            // An unexpected failure fails one call, not all later ones.
            if (_settling.IsCompleted) _settling = Task.CompletedTask;
        }
    }

    private async Task SettleOneAsync(
        IReadOnlyList<Row> rows, IReadOnlyCollection<FencedRow> fenced, IReadOnlyDictionary<string, string> parked)
    {
        var settled = rows.Where(row => row.MayBeJournaled).ToDictionary(row => row.Key, row => new FlushedRow(row.Key, row.Version, row.Epoch));
        var lost = fenced.ToDictionary(row => row.Key, row => row.StoredVersion);
        foreach (var row in fenced)
        {
            // A later version in the database makes the journaled one obsolete. An equal version of another owner does not:
            // either of the two may have been acknowledged, so the journal keeps its own.
            if (!settled.TryGetValue(row.Key, out var sent)) continue;
            if (row.StoredVersion > sent.Version) settled[row.Key] = new(row.Key, row.StoredVersion, row.StoredEpoch);
            else settled.Remove(row.Key);
        }

        // Parked rows are not cached: a reader of the copy would not learn that the row is parked.
        foreach (var row in rows.Where(row => parked.ContainsKey(row.Key))) lost[row.Key] = row.Version;

        try
        {
            // The database does not hold a fenced row, so it must not become the copy.
            await cache.RefreshAsync([.. rows.Where(row => row.MayBeCached && !lost.ContainsKey(row.Key))]);
            await cache.ForgetAsync(lost);
            await journal.TrimAsync(settled.Values);
            if (_postponed.Count > 0 && clock.GetElapsedTime(_postponedSince) > RetryAfter) await RetryPostponedAsync();
        }
        catch (RedisUnavailableException error)
        {
            Postpone(settled);
            LogPostponed(logger, rows.Count, error.Message);
        }
        catch (Exception error)
        {
            Postpone(settled);
            LogDefect(logger, rows.Count, error);
        }
    }

    private async Task RetryPostponedAsync()
    {
        _postponedSince = clock.GetTimestamp();
        try
        {
            await cache.ForgetAsync([.. _postponed.Values.Select(row => KeyValuePair.Create(row.Key, row.Version))]);
            await journal.TrimAsync(_postponed.Values);
            _postponed.Clear();
        }
        catch (RedisUnavailableException error)
        {
            LogPostponed(logger, _postponed.Count, error.Message);
        }
        catch (Exception error)
        {
            LogDefect(logger, _postponed.Count, error);
        }
    }

    private void Postpone(Dictionary<string, FlushedRow> settled)
    {
        _postponedSince = clock.GetTimestamp();
        foreach (var (key, row) in settled)
        {
            if (_postponed.Count >= maxPostponed && !_postponed.ContainsKey(key)) break;
            _postponed[key] = row;
        }
    }

    [LoggerMessage(EventId = 1506, Level = LogLevel.Debug, Message =
        "{Rows} rows are in the database; the journal and the cache are updated later: {Reason}")]
    private static partial void LogPostponed(ILogger logger, int rows, string reason);

    [LoggerMessage(EventId = 1507, Level = LogLevel.Error, Message =
        "{Rows} rows are in the database; updating the journal and the cache failed unexpectedly")]
    private static partial void LogDefect(ILogger logger, int rows, Exception error);
}
