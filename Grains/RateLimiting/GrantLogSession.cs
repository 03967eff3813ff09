using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The grant log of one client under one policy, and this activation's ownership of it: the local copy, the log in Redis, and
/// the reconciliation of the two.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain. Operations that call Redis run one at a time (<see cref="Limiter"/>), and the copy does
/// not change while one is in flight.
/// </remarks>
internal sealed class GrantLogSession(
    string client, string policy, RedisGrantLogStore logs, LimiterCounters counters, double reservedShare, Action fenced, Action unsynced)
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

    // Memory of a name beside its text.
    private const int NameBytes = 100;

    private readonly RedisKey _key = logs.LogKey(client, policy);
    private readonly RedisKey _requests = logs.RequestsKey(client);
    private ServerClock _known = logs.Clock.Known;

    // Null unless this activation is known to be the owner.
    private string? _epoch;

    // Pending changes of the named grants in Redis; no name is in both sets. If a name to note may already be in Redis, a
    // refund must make Redis forget it. Otherwise a refund only drops the name here.
    private readonly Dictionary<string, (long At, bool MayBeThere)> _noted = [];
    private readonly HashSet<string> _forgotten = [];
    private long _nameChars;

    // When the log's TTL in Redis was last renewed, and how many of its entries have expired.
    private long _renewed;
    private int _dead;

    // The last member of the log in Redis, if it is a reserve, and how many entries of the copy were granted from it.
    private Reserve _reserve;
    private int _notes;

    // Until when the previous owner may grant from its reserve, on the monotonic clock.
    private long _heldUntil;

    // From when on permits are reserved, on the Redis clock.
    private long _reservesFrom;

    /// <summary>The windows of the policy; a grant counts in all of them.</summary>
    public required Windows Windows
    {
        get;
        set => (field, _renewed) = (value, 0);
    }

    /// <summary>The local copy.</summary>
    public GrantLog Grants { get; } = new();

    /// <summary>True if this activation owns the log, so the copy holds all grants that count.</summary>
    public bool IsOwner => _epoch is not null;

    /// <summary>True if the log in Redis differs and must be replaced by the copy.</summary>
    public bool IsUnsynced { get; private set; }

    /// <summary>The names that Redis must forget.</summary>
    public int ForgottenCount => _forgotten.Count;

    /// <summary>The memory of the session.</summary>
    public long Bytes => Grants.Bytes + ((long)NameBytes * (_noted.Count + _forgotten.Count)) + (sizeof(char) * _nameChars);

    /// <summary>The permits that Redis counts as granted and no caller has received yet.</summary>
    public long Reserved => HasReserve ? _reserve.Charged - Grants.Total : 0;

    /// <summary>True if Redis counts more in a window than was granted, or counts it for longer.</summary>
    public bool IsHoldingBack => HasReserve && Clock.Earliest(logs.Clock.Now) < _reserve.Until + Windows.Longest;

    /// <summary>The bounds of the Redis clock, or a guess while Redis has never answered.</summary>
    public ServerClock Clock => _known.IsKnown ? _known : logs.Clock.Guessed;

    private bool HasReserve => _reserve.Permits > 0;

    /// <summary>Grants from the reserve if it holds enough.</summary>
    /// <param name="permits">All permits of the granted calls.</param>
    /// <param name="now">The current time on the monotonic clock.</param>
    /// <param name="at">The time from which the grants count.</param>
    public bool TryGrantReserved(long permits, long now, out long at)
    {
        // The latest time that the server's clock may show now.
        at = Math.Max(_known.Latest(now), Grants.Newest + 1);
        if (permits > Reserved || at > _reserve.Until || _notes == Reserve.MaxNotes) return false;
        if (_notes > 0 && at / Reserve.Tick == Grants.Newest / Reserve.Tick)
        {
            Grants.AddToLast(at, permits);
            return true;
        }

        Grants.Add(at, permits);
        _notes++;
        return true;
    }

    /// <summary>Lets Redis decide and applies its response to the copy.</summary>
    /// <returns>Null if Redis did not decide because the log is not in the expected state; call again.</returns>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task<DecideResponse?> DecideAsync(IReadOnlyList<Ticket> tickets)
    {
        if (_heldUntil - logs.Clock.Now is > 0 and var held) await logs.PauseAsync(TimeSpan.FromMicroseconds(held));
        if (IsUnsynced && IsOwner) await SyncAsync();

        // A new owner that has grants Redis lacks must merge both logs before it decides.
        var asked = IsUnsynced ? [] : tickets;
        var request = CreateRequest(asked);
        var response = await logs.DecideAsync(client, request);
        Observe(response);
        switch (response.Status)
        {
            case GrantScripts.Fenced:
                LoseOwnership();
                return null;
            case GrantScripts.Overtaken:
                TakeOverAgain();
                return null;
            case GrantScripts.Differs:
                MarkDirty();
                return null;
        }

        if (IsOwner) NoteGrants(request, response);
        else BecomeOwner(response.IsPartial ? await logs.LoadOlderAsync(_key, response, response.Time - Windows.Longest) : response);
        return response.Status == GrantScripts.Done && asked.Count == tickets.Count ? response : null;
    }

    /// <summary>
    /// Replaces the log in Redis by the copy. Does nothing if another activation has written the log; the next call to Redis
    /// shows that.
    /// </summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task SyncAsync()
    {
        var earliest = Clock.Earliest(logs.Clock.Now);
        Grants.Trim(earliest - Windows.Longest);
        var grants = Grants.ToArray();
        Grants.Load(0, grants);
        var status = await SyncNamesAsync();
        if (status == GrantScripts.Done) status = await logs.RestoreAsync(_key, _epoch!, Windows.Longest, grants);
        switch (status)
        {
            case GrantScripts.Fenced:
                LoseOwnership();
                return;
            case GrantScripts.Overtaken:
                TakeOverAgain();
                return;
            case GrantScripts.Differs:
                MarkDirty();
                return;
        }

        (_renewed, _dead, _reserve) = (earliest, 0, default);
        if (IsUnsynced) counters.AddUnsynced(-1);
        IsUnsynced = false;
    }

    /// <summary>Adds a grant made without Redis.</summary>
    public void Grant(long at, long permits)
    {
        if (Grants.Count >= Windows.DenseFrom && at / Windows.Tick == Grants.Newest / Windows.Tick) Grants.AddToLast(at, permits);
        else Grants.Add(at, permits);
        MarkDirty();
    }

    /// <summary>Takes back a grant, as far as it still counts.</summary>
    /// <returns>The permits that become free.</returns>
    public int Refund(long at, int permits)
    {
        Grants.Trim(Clock.Latest(logs.Clock.Now) - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Windows.Tick : 1);
        MarkDirty();
        return freed;
    }

    /// <summary>
    /// Takes back a grant that has no name. It may come from the reserve, whose grants within a tick are merged into one entry.
    /// </summary>
    /// <returns>The permits that become free.</returns>
    public int RefundUnused(long at, int permits)
    {
        Grants.Trim(Clock.Latest(logs.Clock.Now) - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Math.Max(Windows.Tick, Reserve.Tick) : Reserve.Tick);
        if (freed > 0) MarkDirty();
        return freed;
    }

    /// <summary>Remembers the name of a grant made without Redis.</summary>
    public void Note(string name, long at)
    {
        var mayBeThere = _forgotten.Remove(name) || (_noted.TryGetValue(name, out var before) && before.MayBeThere);
        if (!mayBeThere && !_noted.ContainsKey(name)) _nameChars += name.Length;
        _noted[name] = (at, mayBeThere);

        // Redis keeps no more than that either. Sorting only now and then keeps a single name cheap.
        if (_noted.Count <= 2 * RateLimits.RememberedRequests) return;
        foreach (var (oldest, _) in _noted.OrderBy(noted => noted.Value.At).Take(RateLimits.RememberedRequests).ToList()) DropNoted(oldest);
    }

    /// <summary>Marks a name to be removed from Redis, unless it was never sent there.</summary>
    public void Forget(string name)
    {
        if (_noted.TryGetValue(name, out var noted))
        {
            DropNoted(name);
            if (!noted.MayBeThere) return;
        }

        if (_forgotten.Add(name)) _nameChars += name.Length;
    }

    /// <summary>
    /// The state that the next owner cannot read from Redis; <see cref="LogHandoff.IsEmpty"/> if there is none.
    /// </summary>
    /// <param name="isAll">True if the next owner can read nothing from Redis.</param>
    public LogHandoff HandOff(bool isAll)
    {
        Grants.Trim(Clock.Earliest(logs.Clock.Now) - Windows.Longest);
        return new()
        {
            Policy = Windows.Policy,
            Grants = IsUnsynced || isAll ? [.. Grants.ToArray().SelectMany(grant => new[] { grant.At, grant.Permits })] : [],
            Noted = [.. _noted.Select(noted => new KeyValuePair<string, long>(noted.Key, noted.Value.At))],
            Forgotten = [.. _forgotten],
            Time = Clock.Latest(logs.Clock.Now),
            IsTimeKnown = _known.IsKnown,
        };
    }

    /// <summary>
    /// Merges the state of an earlier activation that may be missing in Redis. Must not run while a script is in flight.
    /// </summary>
    public void TakeOver(LogHandoff handoff)
    {
        if (!_known.IsKnown && Grants.Count == 0) _known = logs.Clock.Known;

        // The times of a guessed clock are comparable only as ages.
        var shift = handoff.IsTimeKnown && _known.IsKnown ? 0 : Clock.Latest(logs.Clock.Now) - handoff.Time;
        Merge([.. handoff.Grants.Chunk(2).Select(grant => (grant[0] + shift, grant[1]))]);
        foreach (var name in handoff.Forgotten.Concat(handoff.Noted.Select(noted => noted.Key)))
        {
            if (_forgotten.Add(name)) _nameChars += name.Length;
        }

        // The earlier activation may have been writing the name to Redis.
        foreach (var (name, at) in handoff.Noted) Note(name, at + shift);
        MarkDirty();
    }

    /// <summary>Records that the log in Redis is, or may be, older than the copy.</summary>
    public void MarkDirty()
    {
        // The replacement of the log also replaces the reserve by the grants made from it.
        _reserve = default;
        if (IsUnsynced) return;
        IsUnsynced = true;
        counters.AddUnsynced(1);
        unsynced();
    }

    /// <summary>
    /// Waits before Redis is called again. The first retry is immediate; later ones back off because other activations compete
    /// for the log.
    /// </summary>
    public Task BackOffAsync(int attempt) => attempt == 1
        ? Task.CompletedTask
        : logs.PauseAsync(FirstPause * Math.Pow(2, attempt - 2) * (0.5 + Random.Shared.NextDouble()));

    /// <summary>The failure reported to callers when the log cannot be owned.</summary>
    public StorageUnavailableException Contested() =>
        new("Redis", $"the limiter of client {WellFormedText.Quote(client)} keeps changing its owner");

    private DecideRequest CreateRequest(IReadOnlyList<Ticket> tickets)
    {
        var earliest = _known.IsKnown ? _known.Earliest(logs.Clock.Now) : 0;
        var usage = new (long, long)[Windows.Count];
        for (var i = 0; IsOwner && i < usage.Length; i++)
        {
            var (used, first) = Grants.After(earliest - Windows.Duration(i));
            usage[i] = (used, first == long.MaxValue ? Never : first + Windows.Duration(i));
        }

        var isDense = Grants.Count >= Windows.DenseFrom;
        return new()
        {
            Log = _key,
            Requests = HasNames(tickets) ? _requests : (RedisKey?)null,
            Windows = Windows,
            Usage = usage,
            Epoch = _epoch,
            Newest = Grants.Newest,
            Charged = HasReserve ? _reserve.Charged : Grants.Total,
            Granted = Grants.Total,
            FromReserve = HasReserve ? Grants.Last(_notes) : null,
            Reserve = IsOwner && !isDense && earliest >= _reservesFrom ? ToReserve(earliest, tickets) : 0,
            Earliest = earliest,
            IsTrimming = _dead >= TrimFrom && _dead >= Grants.Count / 4,
            IsRenewing = earliest - _renewed > RenewAfter,
            IsDense = isDense,
            Tickets = tickets,
        };
    }

    // Twice the recent grants, so infrequent callers reserve nothing. A reserve too small for one more call is skipped.
    private long ToReserve(long now, IReadOnlyList<Ticket> tickets)
    {
        var reserve = Math.Min((long)(Windows.SmallestLimit * reservedShare), 2 * Grants.GrantedAfter(now - Reserve.Life));
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

    private void Observe(DecideResponse response)
    {
        // Grants before the first response carry guessed times. The server read its clock after the call was sent, so no grant
        // moves to before it was made.
        if (!_known.IsKnown) Grants.Shift(response.Time - Clock.Latest(response.Taken.Sent));
        _known.Observe(response.Time, response.Taken.Sent, response.Taken.Received);
    }

    private void BecomeOwner(DecideResponse response)
    {
        (_epoch, _renewed, _dead, _reserve) = (response.Epoch, response.Time, TrimFrom, default);
        _heldUntil = response.Taken.Received + (long)response.HeldFor.TotalMicroseconds;

        // Grants that this response itself made do not come from another activation.
        var isContended = response.Status == GrantScripts.Held
            || response.Grants.Any(grant => grant.At < response.At && response.Time - grant.At < Reserve.Quiet);
        _reservesFrom = isContended ? response.Time + Reserve.Quiet : 0;
        if (!IsUnsynced)
        {
            Grants.Load(response.BeforeGrants, response.Grants);
            return;
        }

        // Merge what Redis holds with what was granted here without it.
        Merge(response.Grants);
    }

    // A grant with the same time and permits counts once.
    private void Merge(IReadOnlyList<(long At, long Permits)> others)
    {
        var all = others.Union(Grants.ToArray()).OrderBy(grant => grant.At).ToList();
        Grants.Clear();
        foreach (var (at, permits) in all) Grants.Add(Math.Max(at, Grants.Newest + 1), permits);
    }

    /// <summary>Brings the names in Redis up to date, in batches. If it is interrupted, the rest stays pending.</summary>
    private async Task<int> SyncNamesAsync()
    {
        while (_forgotten.Count + _noted.Count > 0)
        {
            string[] forgotten = [.. _forgotten.Take(RedisGrantLogStore.MaxEntries)];
            KeyValuePair<string, long>[] noted =
            [
                .. _noted.Take(RedisGrantLogStore.MaxEntries - forgotten.Length)
                    .Select(each => new KeyValuePair<string, long>(each.Key, each.Value.At)),
            ];
            foreach (var (name, at) in noted) _noted[name] = (at, true);
            if (await logs.NameAsync(_key, _requests, _epoch!, forgotten, noted) is not GrantScripts.Done and var status) return status;
            foreach (var name in forgotten)
            {
                _forgotten.Remove(name);
                _nameChars -= name.Length;
            }

            foreach (var (name, _) in noted) DropNoted(name);
        }

        return GrantScripts.Done;
    }

    private void DropNoted(string name)
    {
        if (_noted.Remove(name)) _nameChars -= name.Length;
    }

    private void NoteGrants(DecideRequest request, DecideResponse response)
    {
        _reserve = default;
        _dead += Grants.Trim(response.Time - request.Windows.Longest);

        // All grants expired on both sides, and the log in Redis started anew.
        if (Grants.Total != response.Before) Grants.Load(response.Before, []);
        var granted = response.PermitsGranted(request.Tickets);
        if (granted == 0) return;
        if (request.IsTrimming) _dead = 0;
        if (request.IsRenewing) _renewed = response.Time;
        if (response.IsAddedToLast) Grants.AddToLast(response.At, granted);
        else Grants.Add(response.At, granted);
        if (response.Reserved > 0) (_reserve, _notes) = (new(Grants.Total, response.Reserved, response.At + Reserve.Life), 0);
    }

    /// <summary>
    /// A later activation owns the log and may have changed it. Discards the local copy except for grants that Redis does not
    /// have yet.
    /// </summary>
    private void LoseOwnership()
    {
        (_epoch, _reserve) = (null, default);
        if (!IsUnsynced) Grants.Clear();
        fenced();
    }

    /// <summary>An earlier owner has written the log: both activations hold grants that count.</summary>
    private void TakeOverAgain()
    {
        _epoch = null;
        MarkDirty();
    }
}
