using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// An activation's ownership of one grant log in Redis, and the reconciliation of that log with the local copy.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain. Its calls of Redis run one at a time (<see cref="ExclusiveQueue"/>), and the copy does
/// not change while one is in flight.
/// </remarks>
internal sealed class GrantLogSession(LogCopy log, RedisGrantLogStore logs, double reservedShare, ILimiterHost host)
{
    /// <summary>How often Redis is called again about a log that is not in the expected state.</summary>
    public const int MaxAttempts = 9;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);

    // A log outlives its longest window by ten seconds (GrantScripts). It is renewed well before these are over.
    private const long RenewAfter = 5_000_000;

    // Expired entries cost Redis little; trimming them with each grant would cost it more.
    private const int TrimFrom = 6;

    // Later than any time, and still an exact integer in Lua.
    private const long Never = 1L << 52;

    private readonly RedisKey _key = logs.LogKey(log.Client, log.Policy.Name);
    private readonly RedisKey _requests = logs.RequestsKey(log.Client);

    // Null unless this activation is known to be the owner.
    private string? _epoch;

    // When the log's TTL in Redis was last renewed and for which windows, and how many of its entries have expired.
    private long _renewed;
    private Windows? _renewedFor;
    private int _dead;

    // Until when the previous owner may grant from its reserve, on the monotonic clock.
    private long _heldUntil;

    // From when on permits are reserved, on the Redis clock.
    private long _reservesFrom;

    /// <summary>True if this activation owns the log, so the copy holds all grants that count.</summary>
    public bool IsOwner => _epoch is not null;

    /// <summary>
    /// Lets Redis decide and applies its response to the copy. Without an epoch the same script also makes this activation the owner
    /// and returns the log; without tickets it does nothing else.
    /// </summary>
    /// <returns>Null if Redis did not decide because the log is not in the expected state; call again.</returns>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task<DecideResponse?> DecideAsync(IReadOnlyList<Ticket> tickets)
    {
        if (_heldUntil - logs.Clock.Now is > 0 and var held) await logs.PauseAsync(TimeSpan.FromMicroseconds(held));
        if (log.IsUnsynced && IsOwner) await SyncAsync();

        // A new owner that has grants Redis lacks must merge both logs before it decides.
        var asked = log.IsUnsynced ? [] : tickets;
        var request = CreateRequest(asked);
        var response = await logs.DecideAsync(log.Client, request);
        log.Observe(response);
        if (!IsAccepted(response.Status)) return null;

        // Only a new owner gets the log, and only a part of it if it is long.
        if (response.IsPartial) response = await logs.LoadOlderAsync(_key, response, response.Time - log.Windows.Longest);
        if (IsOwner) ApplyGrants(request, response);
        else BecomeOwner(request, response);
        return response.Status == GrantScripts.Done && asked.Count == tickets.Count ? response : null;
    }

    /// <summary>
    /// Replaces the log in Redis by the copy. Does nothing if another activation has written the log; the next call to Redis
    /// shows that.
    /// </summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task SyncAsync()
    {
        var earliest = log.Earliest;
        log.Grants.Trim(earliest - log.Windows.Longest);
        var grants = log.Grants.ToArray();
        log.Grants.Load(0, grants);
        var status = await SyncNamesAsync();
        var windows = log.Windows;
        if (status == GrantScripts.Done) status = await logs.RestoreAsync(_key, _epoch!, windows.Longest, grants);
        if (!IsAccepted(status)) return;
        (_renewed, _renewedFor, _dead) = (earliest, windows, 0);
        log.MarkSynced();
    }

    /// <summary>
    /// Loads the log if Redis is reachable. Returns whether this activation owns it. Must not run while a script is in flight.
    /// </summary>
    /// <exception cref="StorageUnavailableException">
    /// The log <paramref name="isNeeded"/>, and this activation does not own it.
    /// </exception>
    public async Task<bool> EnsureOwnedAsync(bool isNeeded)
    {
        try
        {
            for (var attempt = 1; attempt <= MaxAttempts && !IsOwner && logs.IsReachable; attempt++)
            {
                await DecideAsync([]);
                if (!IsOwner) await BackOffAsync(attempt);
            }
        }
        catch (RedisUnavailableException) when (!isNeeded)
        {
            // Continue with the local copy.
        }
        catch (RedisUnavailableException error)
        {
            throw LimiterErrors.Unavailable(error.Message);
        }

        if (IsOwner || !isNeeded) return IsOwner;
        throw LimiterErrors.Unavailable("Redis is unreachable, and this silo does not know the client's grants");
    }

    /// <summary>
    /// Waits before Redis is called again. The first retry is immediate; later ones back off because other activations compete
    /// for the log.
    /// </summary>
    public Task BackOffAsync(int attempt) => attempt == 1
        ? Task.CompletedTask
        : logs.PauseAsync(FirstPause * Math.Pow(2, attempt - 2) * (0.5 + Random.Shared.NextDouble()));

    private DecideRequest CreateRequest(IReadOnlyList<Ticket> tickets)
    {
        var (grants, windows, earliest) = (log.Grants, log.Windows, log.KnownEarliest);
        var usage = new (long, long)[windows.Count];
        for (var i = 0; IsOwner && i < usage.Length; i++)
        {
            var (used, first) = grants.After(earliest - windows.Duration(i));
            usage[i] = (used, first == long.MaxValue ? Never : first + windows.Duration(i));
        }

        var isDense = grants.Count >= Windows.DenseFrom;
        return new()
        {
            Log = _key,
            Requests = HasNames(tickets) ? _requests : (RedisKey?)null,
            Windows = windows,
            Usage = usage,
            Epoch = _epoch,
            Newest = grants.Newest,
            Charged = log.Reserve.Charged,
            Granted = grants.Total,
            FromReserve = log.Reserve.Granted,
            Reserve = IsOwner && !isDense && earliest >= _reservesFrom ? ToReserve(earliest, tickets) : 0,
            Earliest = earliest,
            IsTrimming = _dead >= TrimFrom && _dead >= grants.Count / 4,
            IsRenewing = earliest - _renewed > RenewAfter || windows != _renewedFor,
            IsDense = isDense,
            Tickets = tickets,
        };
    }

    // Twice the recent grants, so infrequent callers reserve nothing. A reserve too small for one more call is skipped.
    private long ToReserve(long now, IReadOnlyList<Ticket> tickets)
    {
        var reserve = Math.Min((long)(log.Windows.SmallestLimit * reservedShare), 2 * log.Grants.GrantedAfter(now - Reserve.Life));
        return tickets.Count > 0 && tickets[0].Permits <= reserve ? reserve : 0;
    }

    private static bool HasNames(IReadOnlyList<Ticket> tickets)
    {
        for (var i = 0; i < tickets.Count; i++)
        {
            if (tickets[i].Name is not null) return true;
        }

        return false;
    }

    private void ApplyGrants(DecideRequest request, DecideResponse response)
    {
        log.Reserve.Close();
        _dead += log.Grants.Trim(response.Time - request.Windows.Longest);

        // All grants expired on both sides, and the log in Redis started anew.
        if (log.Grants.Total != response.Before) log.Grants.Load(response.Before, []);
        var granted = response.PermitsGranted(request.Tickets);
        if (granted == 0) return;
        if (request.IsTrimming) _dead = 0;
        if (request.IsRenewing) (_renewed, _renewedFor) = (response.Time, request.Windows);
        if (response.IsAddedToLast) log.Grants.AddToLast(response.At, granted);
        else log.Grants.Add(response.At, granted);
        if (response.Reserved > 0) log.Reserve.Open(response.Reserved, response.At + Reserve.Life);
    }

    private void BecomeOwner(DecideRequest request, DecideResponse response)
    {
        log.Reserve.Close();
        (_epoch, _renewed, _renewedFor, _dead) = (response.Epoch, response.Time, request.Windows, TrimFrom);
        _heldUntil = response.Taken.Received + (long)response.HeldFor.TotalMicroseconds;

        // Grants that this response itself made do not come from another activation.
        var isContended = response.Status == GrantScripts.Held
            || response.Grants.Any(grant => grant.At < response.At && response.Time - grant.At < Reserve.Quiet);
        _reservesFrom = isContended ? response.Time + Reserve.Quiet : 0;

        // Merge what Redis holds with what was granted here without it.
        if (log.IsUnsynced) log.Merge(response.Grants);
        else log.Grants.Load(response.BeforeGrants, response.Grants);
    }

    /// <summary>Brings the names in Redis up to date, in batches. If it is interrupted, the rest stays pending.</summary>
    private async Task<int> SyncNamesAsync()
    {
        while (log.Names.Count > 0)
        {
            var batch = log.Names.NextBatch(RedisGrantLogStore.MaxEntries);
            if (await logs.NameAsync(_key, _requests, _epoch!, batch.Forgotten, batch.Noted) is not GrantScripts.Done and var status) return status;
            log.Names.Remove(batch);
        }

        return GrantScripts.Done;
    }

    /// <summary>True if Redis did what it was asked. Otherwise the log in Redis is not in the expected state.</summary>
    private bool IsAccepted(int status)
    {
        switch (status)
        {
            case GrantScripts.Fenced:
                // A later activation owns the log and may have changed it. The copy is worthless except for grants that Redis
                // does not have yet.
                _epoch = null;
                log.Reserve.Close();
                if (!log.IsUnsynced) log.Grants.Clear();
                host.Fenced();
                return false;
            case GrantScripts.Overtaken:
                // An earlier owner has written the log: both activations hold grants that count.
                _epoch = null;
                log.MarkDirty();
                return false;
            case GrantScripts.Differs:
                log.MarkDirty();
                return false;
            default:
                return true;
        }
    }
}
