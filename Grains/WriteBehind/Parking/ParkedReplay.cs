using System.Runtime.CompilerServices;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Commits parked rows to the table without the queue. The fence rejects rows older than the table's, so the owners of the keys,
/// which hold the same state or a later one, are not involved.
/// </summary>
internal sealed partial class ParkedReplay(IRowStore store, RowCache cache, ILogger<ParkedReplay> logger)
{
    private const int Batch = 200;
    private const int MaxRefusals = 100;

    /// <summary>Replays the rows of <paramref name="keys"/>; null for all parked rows.</summary>
    public async Task<ReplayResult> RunAsync(IReadOnlyList<string>? keys, CancellationToken cancellationToken)
    {
        var result = new ReplayResult();
        await foreach (var batch in BatchesAsync(keys, cancellationToken))
        {
            var replayed = new List<ReplayedRow>();
            var bisection = new Bisection<string>(
                async (part, token) => replayed.AddRange(await store.Parked.ReplayAsync(part, token)), batch);
            try
            {
                await bisection.RunAsync(cancellationToken);
            }
            catch (StorageUnavailableException error)
            {
                // Earlier batches, and parts of this one, may be committed.
                throw new StorageUnavailableException(error.Storage, error.Message) { MayHaveTakenEffect = true };
            }

            await ForgetAsync(replayed);
            result = Add(result, batch.Length, replayed, bisection.Refused);
        }

        LogReplayed(logger, result.Committed, result.Superseded, result.Refused, result.Missing);
        return result;
    }

    private static ReplayResult Add(
        ReplayResult sum, int asked, List<ReplayedRow> replayed, IReadOnlyList<(string Key, string Reason, bool IsCertain)> refused)
    {
        var committed = replayed.Count(row => row.IsCommitted);
        return new()
        {
            Committed = sum.Committed + committed,
            Superseded = sum.Superseded + replayed.Count - committed,
            Refused = sum.Refused + refused.Count,
            Missing = sum.Missing + asked - replayed.Count - refused.Count,
            Refusals =
            [
                .. sum.Refusals,
                .. refused.Take(MaxRefusals - sum.Refusals.Length).Select(row => new RefusedReplay { Key = row.Key, Reason = row.Reason }),
            ],
        };
    }

    private async IAsyncEnumerable<string[]> BatchesAsync(
        IReadOnlyList<string>? keys, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (keys is not null)
        {
            foreach (var batch in keys.Distinct(StringComparer.Ordinal).Chunk(Batch)) yield return batch;
            yield break;
        }

        // In key order, so that a row that is refused again is not replayed twice.
        for (string? after = null; await store.Parked.ListAsync(after, Batch, cancellationToken) is [.., var last] page; after = last.Key)
            yield return [.. page.Select(row => row.Key)];
    }

    // Usually there are no copies: they were removed when the rows were parked. But a silo that could not reach Redis may have
    // postponed that.
    private async Task ForgetAsync(List<ReplayedRow> rows)
    {
        try
        {
            await cache.ForgetAsync([.. rows.Select(row => KeyValuePair.Create(row.Key, row.Version))]);
        }
        catch (RedisUnavailableException error)
        {
            LogCacheFailed(logger, rows.Count, error.Message);
        }
    }

    [LoggerMessage(EventId = 1514, Level = LogLevel.Information, Message =
        "Replayed parked rows: {Committed} committed, {Superseded} obsolete, {Refused} refused again, {Missing} not parked")]
    private static partial void LogReplayed(ILogger logger, long committed, long superseded, long refused, long missing);

    [LoggerMessage(EventId = 1515, Level = LogLevel.Debug, Message = "The cached copies of {Rows} replayed rows could not be removed: {Reason}")]
    private static partial void LogCacheFailed(ILogger logger, int rows, string reason);
}
