using System.Collections.ObjectModel;
using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Commits one batch to the database. Rows that the table refuses because of their content are isolated and parked. Rows that
/// can be neither committed nor parked are held. All others are committed. Used by one lane.
/// </summary>
internal sealed partial class BatchCommit
{
    private readonly IRowStore _store;
    private readonly RejectedKeyCache _suspects;
    private readonly WriteBehindCounters _counters;
    private readonly ILogger _logger;
    private readonly Bisection<Row> _bisection;
    private readonly Dictionary<string, string> _parked = [];
    private readonly Dictionary<string, string> _held = [];
    private Dictionary<string, FencedRow>? _fenced;
    private bool _hasFailedUnexpectedly;

    /// <param name="rows">The batch, sorted by key.</param>
    /// <param name="store">The database.</param>
    /// <param name="suspects">The keys that were refused before.</param>
    /// <param name="counters">Counts flushed and parked rows.</param>
    /// <param name="logger">Logs each parked row.</param>
    public BatchCommit(IReadOnlyList<Row> rows, IRowStore store, RejectedKeyCache suspects, WriteBehindCounters counters, ILogger logger)
    {
        (_store, _suspects, _counters, _logger) = (store, suspects, counters, logger);
        _bisection = new Bisection<Row>(UpsertAsync, suspects.Divide(rows)) { KeyOf = row => row.Key };
    }

    /// <summary>
    /// True for rows that failed before. They get one attempt at a time, so the first unexpected error isolates the rows that cause it.
    /// </summary>
    public bool IsRetry
    {
        init => _hasFailedUnexpectedly = value;
    }

    /// <summary>The rows that the fence refused, by key.</summary>
    public IReadOnlyDictionary<string, FencedRow> Fenced => _fenced ?? (IReadOnlyDictionary<string, FencedRow>)ReadOnlyDictionary<string, FencedRow>.Empty;

    /// <summary>The keys of the rows that were parked, with the reasons.</summary>
    public IReadOnlyDictionary<string, string> Parked => _parked;

    /// <summary>The keys of the rows that are neither committed, parked nor fenced, with the reasons. They are retried by themselves.</summary>
    public IReadOnlyDictionary<string, string> Held => _held;

    /// <summary>The number of held rows whose error may be the database's rather than the row's.</summary>
    public int Undecided { get; private set; }

    /// <summary>Returns once each row is committed, parked, fenced or held. After an error, the next call resumes where it stopped.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _bisection.RunAsync(cancellationToken);
        if (_bisection.Refused.Count > 0) await ParkAsync(cancellationToken);
    }

    private async Task UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var started = _counters.Start();
        var fenced = await UpsertOrRefuseAsync(rows, cancellationToken);
        var before = Fenced.Count;
        foreach (var row in fenced) Fence(row);
        _counters.Flushed(rows.Count - (Fenced.Count - before), started);

        // A row may be fenced by a parked one; its key stays suspect.
        _suspects.Clear(fenced.Count == 0 ? rows.Select(row => row.Key) : rows.Select(row => row.Key).Except(fenced.Select(row => row.Key)));
    }

    /// <summary>
    /// An unexpected error may be transient. If it repeats, some of the rows may cause it. They are isolated like rows that the
    /// table refuses, but held instead of parked, so that the other rows do not wait for them.
    /// </summary>
    private async Task<IReadOnlyList<FencedRow>> UpsertOrRefuseAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        try
        {
            return await _store.UpsertAsync(rows, cancellationToken);
        }
        catch (Exception error) when (IsUnexpected(error))
        {
            if (_hasFailedUnexpectedly) throw new RowsRefusedException(error.Message, error) { IsCertain = false };
            _hasFailedUnexpectedly = true;
            throw;
        }
    }

    private static bool IsUnexpected(Exception error) =>
        error is not (RowsRefusedException or StorageUnavailableException or TimeoutException or IOException or OperationCanceledException);

    private async Task ParkAsync(CancellationToken cancellationToken)
    {
        foreach (var (row, reason, _) in _bisection.Refused.Where(refusal => !refusal.IsCertain)) Hold(row.Key, reason);
        Undecided = _held.Count;
        RowToPark[] refused = [.. _bisection.Refused
            .Where(refusal => refusal.IsCertain)
            .Select(refusal => new RowToPark(refusal.Item, refusal.Reason))
            .OrderBy(refusal => refusal.Row.Key, StringComparer.Ordinal)];
        if (refused.Length == 0) return;
        var parking = new Bisection<RowToPark>(ParkAsync, refused);
        try
        {
            await parking.RunAsync(cancellationToken);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever prevents parking, the rows behind these need not wait. If it is an outage, the next batch fails as well.
            foreach (var (row, reason) in refused.Where(refusal => !IsSettled(refusal.Row.Key))) Hold(row.Key, NotParked(reason, error.Message));
        }

        foreach (var (park, why, _) in parking.Refused) Hold(park.Row.Key, NotParked(park.Reason, why));
    }

    private async Task ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken)
    {
        IReadOnlyList<FencedRow> answer;
        try
        {
            answer = await _store.Parked.ParkAsync(rows, cancellationToken);
        }
        catch (RowsRefusedException) when (rows is [{ IsPlain: false } only])
        {
            // The text of the reason may be what prevents parking.
            answer = await _store.Parked.ParkAsync([only.InPlainWords()], cancellationToken);
        }

        var notParked = new Dictionary<string, FencedRow>();
        foreach (var row in answer) notParked[row.Key] = row;
        foreach (var (row, reason) in rows)
        {
            if (notParked.TryGetValue(row.Key, out var stored))
            {
                // The very same row: an earlier attempt committed it before the table would have refused it.
                if ((stored.StoredVersion, stored.StoredEpoch) != (row.Version, row.Epoch)) Fence(stored);
                continue;
            }

            _suspects.Add(row.Key);
            _parked[row.Key] = reason;
            _counters.Parked();
            LogParked(_logger, row.Key, row.Version, reason);
        }
    }

    private static string NotParked(string reason, string why) => $"{reason}; and it cannot be parked: {why}";

    private bool IsSettled(string key) => _parked.ContainsKey(key) || Fenced.ContainsKey(key);

    private void Fence(FencedRow row) => (_fenced ??= [])[row.Key] = row;

    private void Hold(string key, string reason)
    {
        _suspects.Add(key);
        _held[key] = reason;
    }

    [LoggerMessage(EventId = 1500, Level = LogLevel.Warning, Message = "The database refused '{Key}' version {Version}; the row is parked: {Reason}")]
    private static partial void LogParked(ILogger logger, string key, long version, string reason);
}
