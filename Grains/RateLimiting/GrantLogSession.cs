using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The log of grants of one client under one policy, and this activation's ownership of it: the copy here, the log in Redis,
/// and how the two are brought together where they differ.
/// </summary>
/// <remarks>
/// Touched by the turns of one grain only. What asks Redis is called by one at a time (<see cref="Limiter"/>), and while it
/// does, nobody changes the copy.
/// </remarks>
internal sealed class GrantLogSession(
    string client, string policy, RedisGrantLogStore logs, LimiterCounters counters, double reservedShare, Action fenced, Action unsynced)
{
    /// <summary>How often Redis is asked again about a log that was not what it was taken for.</summary>
    public const int MaxAttempts = 9;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);

    // A log lives ten seconds longer than it must (GrantScripts): it is renewed well before these are over.
    private const long RenewAfter = 5_000_000;

    // Entries that count no more cost Redis little; to trim them with each grant would cost it more.
    private const int TrimFrom = 6;

    // Beyond any time, and still a whole number to Lua.
    private const long Never = 1L << 52;

    // What a name takes beside its text.
    private const int NameBytes = 100;

    private readonly RedisKey _key = logs.LogKey(client, policy);
    private readonly RedisKey _requests = logs.RequestsKey(client);
    private ServerClock _known = logs.Clock;

    // Null while this is not known to be the owner.
    private string? _epoch;

    // What is to be changed of the named grants in Redis: no name is in both. Where Redis may have a name that is to be noted,
    // it has to forget it if it is refunded; else that name is simply dropped here.
    private readonly Dictionary<string, (long At, bool MayBeThere)> _noted = [];
    private readonly HashSet<string> _forgotten = [];
    private long _nameChars;

    // When the life of the log in Redis was last renewed, and how many of its entries count no more.
    private long _renewed;
    private int _dead;

    // The last member of the log in Redis, if it is a reserve, and how many entries of the copy are grants from it.
    private Reserve _reserve;
    private int _notes;

    // Until when the owner before may grant from its reserve, by the monotonic clock.
    private long _heldUntil;

    // From when on permits are reserved, by the clock of Redis.
    private long _reservesFrom;

    /// <summary>The windows, all of which a grant counts in.</summary>
    public required Windows Windows
    {
        get;
        set => (field, _renewed) = (value, 0);
    }

    /// <summary>The copy.</summary>
    public GrantLog Grants { get; } = new();

    /// <summary>True where the copy is all that counts.</summary>
    public bool IsOwner => _epoch is not null;

    /// <summary>True where the log in Redis is another, and to be replaced by the copy.</summary>
    public bool IsUnsynced { get; private set; }

    /// <summary>The names that Redis is to forget.</summary>
    public int ForgottenCount => _forgotten.Count;

    /// <summary>The memory it takes.</summary>
    public long Bytes => Grants.Bytes + ((long)NameBytes * (_noted.Count + _forgotten.Count)) + (sizeof(char) * _nameChars);

    /// <summary>The permits that Redis takes for granted, and nobody has been granted yet.</summary>
    public long Reserved => HasReserve ? _reserve.Charged - Grants.Total : 0;

    /// <summary>True where Redis counts more in a window than was granted, or for longer.</summary>
    public bool IsHoldingBack => HasReserve && Clock.Earliest(logs.Now) < _reserve.Until + Windows.Longest;

    /// <summary>What is known of the clock of Redis, or guessed while it was never there.</summary>
    public ServerClock Clock => _known.IsKnown ? _known : logs.GuessedClock;

    private bool HasReserve => _reserve.Permits > 0;

    /// <summary>Grants from the reserve, while it has as much.</summary>
    /// <param name="permits">All permits of the calls that are granted.</param>
    /// <param name="now">This moment by the monotonic clock.</param>
    /// <param name="at">The time from which they count.</param>
    public bool TryGrantReserved(long permits, long now, out long at)
    {
        // The server's clock shows no later time now.
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

    /// <summary>Has Redis decide, and takes in what it says of the log.</summary>
    /// <returns>Null where it did not decide, since the log is not what it was taken for; ask again.</returns>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<LogAnswer?> AskAsync(IReadOnlyList<Ticket> tickets)
    {
        if (_heldUntil - logs.Now is > 0 and var held) await logs.PauseAsync(TimeSpan.FromMicroseconds(held));
        if (IsUnsynced && IsOwner) await SyncAsync();

        // Who is to become the owner of a log that lacks grants known here must first know both.
        var asked = IsUnsynced ? [] : tickets;
        var question = Question(asked);
        var answer = await logs.DecideAsync(client, question);
        Observe(answer);
        switch (answer.Status)
        {
            case GrantScripts.Fenced:
                LoseOwnership();
                return null;
            case GrantScripts.Overtaken:
                TakeOverAgain();
                return null;
            case GrantScripts.Differs:
                BecomeUnsynced();
                return null;
        }

        if (IsOwner) NoteGrants(question, answer);
        else BecomeOwner(answer.IsPartial ? await logs.WholeAsync(_key, answer, answer.Time - Windows.Longest) : answer);
        return answer.Status == GrantScripts.Done && asked.Count == tickets.Count ? answer : null;
    }

    /// <summary>Replaces the log in Redis by the copy; not where another has written it, which the next question tells.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task SyncAsync()
    {
        var earliest = Clock.Earliest(logs.Now);
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
                BecomeUnsynced();
                return;
        }

        (_renewed, _dead, _reserve) = (earliest, 0, default);
        if (IsUnsynced) counters.AddUnsynced(-1);
        IsUnsynced = false;
    }

    /// <summary>Notes what was granted without Redis.</summary>
    public void Grant(long at, long permits)
    {
        if (Grants.Count >= Windows.DenseFrom && at / Windows.Tick == Grants.Newest / Windows.Tick) Grants.AddToLast(at, permits);
        else Grants.Add(at, permits);
        BecomeUnsynced();
    }

    /// <summary>Takes back a grant, as far as it still counts.</summary>
    /// <returns>The permits that are free again by that.</returns>
    public int Refund(long at, int permits)
    {
        Grants.Trim(Clock.Latest(logs.Now) - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Windows.Tick : 1);
        BecomeUnsynced();
        return freed;
    }

    /// <summary>Takes back a call that was granted without a name, maybe from the reserve, whose grants of a tick are noted as one.</summary>
    /// <returns>The permits that are free again by that.</returns>
    public int RefundUnused(long at, int permits)
    {
        Grants.Trim(Clock.Latest(logs.Now) - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Math.Max(Windows.Tick, Reserve.Tick) : Reserve.Tick);
        if (freed > 0) BecomeUnsynced();
        return freed;
    }

    /// <summary>Notes a name that was granted without Redis.</summary>
    public void Note(string name, long at)
    {
        var mayBeThere = _forgotten.Remove(name) || (_noted.TryGetValue(name, out var before) && before.MayBeThere);
        if (!mayBeThere && !_noted.ContainsKey(name)) _nameChars += name.Length;
        _noted[name] = (at, mayBeThere);

        // Redis keeps no more either. Sorted now and then only, for a name to cost little.
        if (_noted.Count <= 2 * RateLimits.RememberedRequests) return;
        foreach (var (oldest, _) in _noted.OrderBy(noted => noted.Value.At).Take(RateLimits.RememberedRequests).ToList()) DropNoted(oldest);
    }

    /// <summary>Redis is to forget a name, unless it was never told of it.</summary>
    public void Forget(string name)
    {
        if (_noted.TryGetValue(name, out var noted))
        {
            DropNoted(name);
            if (!noted.MayBeThere) return;
        }

        if (_forgotten.Add(name)) _nameChars += name.Length;
    }

    /// <summary>What the next owner cannot read in Redis; <see cref="LogHandoff.IsEmpty"/> where there is no such thing.</summary>
    /// <param name="isAll">True where it can read nothing there.</param>
    public LogHandoff HandOff(bool isAll)
    {
        Grants.Trim(Clock.Earliest(logs.Now) - Windows.Longest);
        return new()
        {
            Policy = Windows.Policy,
            Grants = IsUnsynced || isAll ? [.. Grants.ToArray().SelectMany(grant => new[] { grant.At, grant.Permits })] : [],
            Noted = [.. _noted.Select(noted => new KeyValuePair<string, long>(noted.Key, noted.Value.At))],
            Forgotten = [.. _forgotten],
            Time = Clock.Latest(logs.Now),
            IsTimeKnown = _known.IsKnown,
        };
    }

    /// <summary>Takes in what an activation before knew and Redis may not. Only while no script is in flight.</summary>
    public void TakeOver(LogHandoff handoff)
    {
        if (!_known.IsKnown && Grants.Count == 0) _known = logs.Clock;

        // Of a guessed clock only the ages mean something here.
        var shift = handoff.IsTimeKnown && _known.IsKnown ? 0 : Clock.Latest(logs.Now) - handoff.Time;
        Merge([.. handoff.Grants.Chunk(2).Select(grant => (grant[0] + shift, grant[1]))]);
        foreach (var name in handoff.Forgotten.Concat(handoff.Noted.Select(noted => noted.Key)))
        {
            if (_forgotten.Add(name)) _nameChars += name.Length;
        }

        // It may have been on its way to Redis.
        foreach (var (name, at) in handoff.Noted) Note(name, at + shift);
        BecomeUnsynced();
    }

    /// <summary>The copy is right and the log in Redis is not, or may not be.</summary>
    public void BecomeUnsynced()
    {
        // With the rest of the log it is replaced by what was granted from it.
        _reserve = default;
        if (IsUnsynced) return;
        IsUnsynced = true;
        counters.AddUnsynced(1);
        unsynced();
    }

    /// <summary>
    /// Waits before Redis is asked again. To become the owner takes one try; beyond that there are others who become it as well,
    /// and each is to have its turn.
    /// </summary>
    public Task LetOthersAsync(int attempt) => attempt == 1
        ? Task.CompletedTask
        : logs.PauseAsync(FirstPause * Math.Pow(2, attempt - 2) * (0.5 + Random.Shared.NextDouble()));

    /// <summary>What callers are told where the log is not to be had.</summary>
    public StorageUnavailableException Contested() =>
        new("Redis", $"the limiter of client {WellFormedText.Quote(client)} is being taken over again and again");

    private LogQuestion Question(IReadOnlyList<Ticket> tickets)
    {
        var earliest = _known.IsKnown ? _known.Earliest(logs.Now) : 0;
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

    // Twice what was granted lately: who calls seldom has nothing reserved. Nor has who would not get even one more call by it.
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

    private void Observe(LogAnswer answer)
    {
        // What was granted before the first answer was stamped by a guess. The server looked at its clock after the call was sent:
        // so none counts from earlier than it was made.
        if (!_known.IsKnown) Grants.Shift(answer.Time - Clock.Latest(answer.Taken.Sent));
        _known.Observe(answer.Time, answer.Taken.Sent, answer.Taken.Received);
    }

    private void BecomeOwner(LogAnswer answer)
    {
        (_epoch, _renewed, _dead, _reserve) = (answer.Epoch, answer.Time, TrimFrom, default);
        _heldUntil = answer.Taken.Received + (long)answer.HeldFor.TotalMicroseconds;

        // What the answer itself has granted was not granted by another.
        var isContended = answer.Status == GrantScripts.Held
            || answer.Grants.Any(grant => grant.At < answer.At && answer.Time - grant.At < Reserve.Quiet);
        _reservesFrom = isContended ? answer.Time + Reserve.Quiet : 0;
        if (!IsUnsynced)
        {
            Grants.Load(answer.BeforeGrants, answer.Grants);
            return;
        }

        // Both: what Redis knows, and what was granted here without it.
        Merge(answer.Grants);
    }

    // The same grant, by time and permits, counts once.
    private void Merge(IReadOnlyList<(long At, long Permits)> others)
    {
        var all = others.Union(Grants.ToArray()).OrderBy(grant => grant.At).ToList();
        Grants.Clear();
        foreach (var (at, permits) in all) Grants.Add(Math.Max(at, Grants.Newest + 1), permits);
    }

    /// <summary>Brings the names in Redis up to date, a part at a time; where that is broken off the rest is still to be done.</summary>
    private async Task<int> SyncNamesAsync()
    {
        while (_forgotten.Count + _noted.Count > 0)
        {
            string[] forgotten = [.. _forgotten.Take(RedisGrantLogStore.MaxEntries)];
            KeyValuePair<string, long>[] noted =
                [.. _noted.Take(RedisGrantLogStore.MaxEntries - forgotten.Length).Select(each => new KeyValuePair<string, long>(each.Key, each.Value.At))];
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

    private void NoteGrants(LogQuestion question, LogAnswer answer)
    {
        _reserve = default;
        _dead += Grants.Trim(answer.Time - question.Windows.Longest);

        // All that counted is gone on both sides, and the log in Redis has begun anew.
        if (Grants.Total != answer.Before) Grants.Load(answer.Before, []);
        var granted = answer.PermitsGranted(question.Tickets);
        if (granted == 0) return;
        if (question.IsTrimming) _dead = 0;
        if (question.IsRenewing) _renewed = answer.Time;
        if (answer.IsAddedToLast) Grants.AddToLast(answer.At, granted);
        else Grants.Add(answer.At, granted);
        if (answer.Reserved > 0) (_reserve, _notes) = (new(Grants.Total, answer.Reserved, answer.At + Reserve.Life), 0);
    }

    /// <summary>A later activation owns the log, and may have changed it: what is known here is of no use, but what Redis does not know.</summary>
    private void LoseOwnership()
    {
        (_epoch, _reserve) = (null, default);
        if (!IsUnsynced) Grants.Clear();
        fenced();
    }

    /// <summary>An earlier owner has written the log: it and this one both know grants that count.</summary>
    private void TakeOverAgain()
    {
        _epoch = null;
        BecomeUnsynced();
    }
}
