using System.Collections.ObjectModel;
using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// One batch on its way to the database. What the table refuses for what it holds is singled out and parked; what can
/// neither be committed nor parked is held; all others are committed. Used by one lane.
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
    private Dictionary<string, RefusedRow>? _fenced;
    private bool _hasFailedUnexpectedly;

    /// <param name="rows">The batch, sorted by key.</param>
    /// <param name="store">The database.</param>
    /// <param name="suspects">The keys that were refused before.</param>
    /// <param name="counters">What is counted.</param>
    /// <param name="logger">Where each parked row is told of.</param>
    public BatchCommit(IReadOnlyList<Row> rows, IRowStore store, RejectedKeyCache suspects, WriteBehindCounters counters, ILogger logger)
    {
        (_store, _suspects, _counters, _logger) = (store, suspects, counters, logger);
        _bisection = new Bisection<Row>(UpsertAsync, suspects.Divide(rows)) { KeyOf = row => row.Key };
    }

    /// <summary>
    /// True for rows that failed before: an unexpected error singles out those it is due to at once, since they get one
    /// attempt at a time.
    /// </summary>
    public bool IsRetry
    {
        init => _hasFailedUnexpectedly = value;
    }

    /// <summary>The rows that the fence refused, by key.</summary>
    public IReadOnlyDictionary<string, RefusedRow> Fenced => _fenced ?? (IReadOnlyDictionary<string, RefusedRow>)ReadOnlyDictionary<string, RefusedRow>.Empty;

    /// <summary>The keys of the rows that were parked, and why.</summary>
    public IReadOnlyDictionary<string, string> Parked => _parked;

    /// <summary>The keys of the rows that are neither committed nor parked nor fenced, and why. They are to be tried again by themselves.</summary>
    public IReadOnlyDictionary<string, string> Held => _held;

    /// <summary>How many of those are held for a reason that may as well lie with the database.</summary>
    public int Undecided { get; private set; }

    /// <summary>Returns once each row is in the table, parked, fenced or held. After an error the next call goes on where it ended.</summary>
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

        // A row may have been fenced by one that is parked: its key stays a suspect.
        _suspects.Clear(fenced.Count == 0 ? rows.Select(row => row.Key) : rows.Select(row => row.Key).Except(fenced.Select(row => row.Key)));
    }

    /// <summary>
    /// An error of no known kind may be a passing one. Where it stays, it may be due to some of the rows, and the others must
    /// not wait for them: they are singled out as those are that the table refuses, but are held and not parked.
    /// </summary>
    private async Task<IReadOnlyList<RefusedRow>> UpsertOrRefuseAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
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
            // Whatever keeps them from being parked, the rows behind them need not wait for it. If it is an outage, it befalls
            // the next batch as well.
            foreach (var (row, reason) in refused.Where(refusal => !IsSettled(refusal.Row.Key))) Hold(row.Key, NotParked(reason, error.Message));
        }

        foreach (var (park, why, _) in parking.Refused) Hold(park.Row.Key, NotParked(park.Reason, why));
    }

    private async Task ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken)
    {
        IReadOnlyList<RefusedRow> answer;
        try
        {
            answer = await _store.Parked.ParkAsync(rows, cancellationToken);
        }
        catch (RowsRefusedException) when (rows is [{ IsPlain: false } only])
        {
            // What keeps it from being parked may be the words of the reason.
            answer = await _store.Parked.ParkAsync([only.InPlainWords()], cancellationToken);
        }

        var notParked = new Dictionary<string, RefusedRow>();
        foreach (var row in answer) notParked[row.Key] = row;
        foreach (var (row, reason) in rows)
        {
            if (notParked.TryGetValue(row.Key, out var stored))
            {
                // The very row: an earlier attempt had committed it, before the table would have refused it.
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

    private void Fence(RefusedRow row) => (_fenced ??= [])[row.Key] = row;

    private void Hold(string key, string reason)
    {
        _suspects.Add(key);
        _held[key] = reason;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database refused '{Key}' version {Version}, which is parked now: {Reason}")]
    private static partial void LogParked(ILogger logger, string key, long version, string reason);
}
