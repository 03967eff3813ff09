using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// One batch on its way to the database. What the table refuses for what it holds is singled out and parked; all others
/// are committed. Used by one lane.
/// </summary>
internal sealed partial class BatchCommit
{
    private readonly IRowStore _store;
    private readonly Suspects _suspects;
    private readonly WriteBehindCounters _counters;
    private readonly ILogger _logger;
    private readonly Bisection<Row> _bisection;
    private readonly List<RefusedRow> _fenced = [];
    private readonly Dictionary<string, string> _parked = [];

    /// <param name="rows">The batch, sorted by key.</param>
    /// <param name="store">The database.</param>
    /// <param name="suspects">The keys that were refused before.</param>
    /// <param name="counters">What is counted.</param>
    /// <param name="logger">Where each parked row is told of.</param>
    public BatchCommit(IReadOnlyList<Row> rows, IRowStore store, Suspects suspects, WriteBehindCounters counters, ILogger logger)
    {
        (_store, _suspects, _counters, _logger) = (store, suspects, counters, logger);
        _bisection = new Bisection<Row>(UpsertAsync, suspects.Divide(rows));
    }

    /// <summary>The rows that the fence refused.</summary>
    public IReadOnlyList<RefusedRow> Fenced => _fenced;

    /// <summary>The keys of the rows that were parked, and why.</summary>
    public IReadOnlyDictionary<string, string> Parked => _parked;

    /// <summary>Returns once each row is in the table, parked or fenced. After an error the next call goes on where it ended.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _bisection.RunAsync(cancellationToken);
        if (_bisection.Refused.Count > 0) await ParkAsync(cancellationToken);
    }

    private async Task UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var started = _counters.Start();
        var fenced = await _store.UpsertAsync(rows, cancellationToken);
        _counters.Flushed(rows.Count - fenced.Count, started);
        _fenced.AddRange(fenced);

        // A row may have been fenced by one that is parked: its key stays a suspect.
        _suspects.Clear(fenced.Count == 0 ? rows.Select(row => row.Key) : rows.Select(row => row.Key).Except(fenced.Select(row => row.Key)));
    }

    private async Task ParkAsync(CancellationToken cancellationToken)
    {
        var refused = _bisection.Refused
            .Select(refusal => new RowToPark(refusal.Item, refusal.Reason))
            .OrderBy(refusal => refusal.Row.Key, StringComparer.Ordinal)
            .ToArray();
        var notParked = (await _store.Parked.ParkAsync(refused, cancellationToken)).ToDictionary(row => row.Key);
        foreach (var (row, reason) in refused)
        {
            if (notParked.TryGetValue(row.Key, out var stored))
            {
                // The very row: an earlier attempt had committed it, before the table would have refused it.
                if ((stored.StoredVersion, stored.StoredEpoch) != (row.Version, row.Epoch)) _fenced.Add(stored);
                continue;
            }

            _suspects.Add(row.Key);
            _parked.Add(row.Key, reason);
            _counters.Parked();
            LogParked(_logger, row.Key, row.Version, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database refused '{Key}' version {Version}, which is parked now: {Reason}")]
    private static partial void LogParked(ILogger logger, string key, long version, string reason);
}
