using Actors.Resilience;

namespace Actors.RateLimiting;

/// <summary>
/// Limits one client under one policy. One script is in flight at a time; the calls that arrive meanwhile gather, and the next
/// one decides them together, in order. It keeps an exact copy of the log of grants, so that it knows until when a window is
/// full, and can go on without Redis.
/// </summary>
/// <remarks>
/// All of it is touched by the turns of one grain only, one at a time, but any await may let another call run. While a script
/// is in flight, the log is changed by nobody: arrivals are denied from it, or wait for the next script.
/// </remarks>
internal sealed class Limiter(string client, GrantLogs logs, LimiterCounters counters, int maxWaiting, ILimiterHost host)
{
    /// <summary>How often a batch is sent whose log was not as expected.</summary>
    private const int MaxAttempts = 5;

    /// <summary>What a limiter takes beside its log, roughly.</summary>
    private const int OwnBytes = 1024;

    private static readonly TimeSpan WhileDown = TimeSpan.FromSeconds(1);

    private readonly GrantLog _log = new();
    private readonly WaitingLine _line = new();
    private readonly Queue<Ticket> _arrived = [];

    // What is to be done while no script is in flight, before the next one.
    private readonly Queue<Func<Task>> _errands = [];
    private Windows _windows = null!;
    private ServerClock _clock = logs.Clock;

    // Null while this is not known to be the owner of the log.
    private string? _epoch;

    // True where the log in Redis is another, and to be replaced by this one; and what is to be changed of the named grants.
    private bool _isUnsynced;
    private Dictionary<string, long> _noted = [];
    private HashSet<string> _forgotten = [];

    private Task _working = Task.CompletedTask;
    private Task _syncing = Task.CompletedTask;
    private bool _isWorking;
    private bool _isClosed;
    private long _countedBytes;

    /// <summary>True where grants may be unknown to Redis.</summary>
    public bool IsUnsynced => _isUnsynced;

    /// <summary>The policy; may change at any time, and what was granted so far counts in the new windows.</summary>
    public RateLimitPolicy Policy
    {
        get => _windows.Policy;
        set
        {
            if (_windows is not null && ReferenceEquals(_windows.Policy, value)) return;
            _windows = new Windows(value);
            _line.Replan();
            if (_line.Count > 0) Work();
        }
    }

    /// <summary>Decides so many calls of one size, in order; of one that may wait, once its turn has come.</summary>
    public Task<RateLimitDecision[]> AcquireAsync(int calls, int permits, string? name, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        var now = logs.Now;
        var waits = maxWait > TimeSpan.Zero && !Policy.IsShadow;
        if (!waits && IsFull(permits, now)) return Task.FromResult(DenyFromMirror(calls, permits, now));
        var ticket = new Ticket(calls, permits, name, waits ? now + (long)maxWait.TotalMicroseconds : 0);
        _arrived.Enqueue(ticket);
        Work();
        return waits && cancellationToken.CanBeCanceled && !ticket.Decided.IsCompleted ? CancellableAsync(ticket, cancellationToken) : ticket.Decided;
    }

    /// <summary>What a call would get now.</summary>
    public async Task<RateLimitDecision> PeekAsync(int permits)
    {
        await KnownAsync();
        var now = _clock.Earliest(logs.Now);
        var by = logs.IsReachable ? DecidedBy.Mirror : DecidedBy.Local;
        if (by == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny) return Down(now, permits);
        var isFree = _line.TurnOf(permits, _windows, _log) <= now || (by == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Allow);
        return isFree ? Allowed(_windows.Tightest(_log, now), _windows.Left(_log, now) - permits, now, now, by) : Denied(permits, now, by);
    }

    /// <summary>What a call is told that was granted at <paramref name="at"/>, and is made again.</summary>
    public async Task<RateLimitDecision> RepeatedAsync(long at)
    {
        await KnownAsync();
        var now = _clock.Earliest(logs.Now);
        return Allowed(_windows.Tightest(_log, now), _windows.Left(_log, now), now, at, logs.IsReachable ? DecidedBy.Mirror : DecidedBy.Local);
    }

    /// <summary>Empties the windows.</summary>
    /// <exception cref="StorageUnavailableException">Redis is away.</exception>
    public Task ResetAsync() => AloneAsync(async () =>
    {
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
        {
            await KnowAsync(isNeeded: true);
            var grants = _log.ToArray();
            _log.Clear();
            try
            {
                await SyncAsync();
            }
            catch (RedisUnavailableException error)
            {
                // It may have been emptied there: what is known here is to stand again.
                _log.Load(0, grants);
                IsToSync();
                throw Unavailable(error.Message);
            }

            _line.Replan();
            if (_epoch is not null) return true;
        }

        throw Contested();
    });

    /// <summary>Gives back what was granted at <paramref name="at"/>, also where that is not in Redis yet.</summary>
    public Task<int> RefundAsync(string name, int permits, long at) => AloneAsync(async () =>
    {
        await KnowAsync(isNeeded: true);
        _log.Trim(_clock.Latest(logs.Now) - _windows.Longest);
        var freed = _log.Remove(at, permits);
        _noted.Remove(name);
        _forgotten.Add(name);
        IsToSync();
        if (logs.IsReachable)
        {
            try
            {
                await SyncAsync();
            }
            catch (RedisUnavailableException)
            {
                // It is given back here, and will be there.
            }
        }

        _line.Replan();
        return freed;
    });

    /// <summary>The time for which it asked to be woken has come.</summary>
    public void Wake() => Work();

    /// <summary>
    /// Ends it: what is under way is decided, what waits is told to go elsewhere (<see cref="MovedException"/>), and what Redis
    /// does not know is written back, if it is there.
    /// </summary>
    public async Task CloseAsync()
    {
        _isClosed = true;
        foreach (var ticket in _line.Tickets) ticket.Fail(new MovedException());
        LeaveLine(_ => true);
        await _working;
        if (_isUnsynced && logs.IsReachable && _epoch is not null)
        {
            try
            {
                await SyncAsync();
            }
            catch (RedisUnavailableException)
            {
                // The grain says what that means.
            }
        }

        counters.AddBytes(-_countedBytes);
        if (_isUnsynced) counters.AddUnsynced(-1);
    }

    /// <summary>What it knows and Redis does not, to go on with elsewhere.</summary>
    public (long At, long Permits)[] UnsyncedGrants() => _isUnsynced ? _log.ToArray() : [];

    /// <summary>Goes on with what another activation knew and Redis does not.</summary>
    public void TakeOver((long At, long Permits)[] grants)
    {
        _log.Load(0, grants);
        IsToSync();
    }

    // Until a script says otherwise the windows are certainly full: the server's clock, whatever it shows, is not there yet.
    private bool IsFull(int permits, long now) =>
        _epoch is not null && !_isUnsynced && logs.IsReachable && _line.TurnOf(permits, _windows, _log) > _clock.Latest(now);

    private RateLimitDecision[] DenyFromMirror(int calls, int permits, long now)
    {
        counters.Decided(Policy.Name, Policy.IsShadow ? Outcome.ShadowDenied : Outcome.Denied, DecidedBy.Mirror, calls);
        var denied = Denied(permits, _clock.Earliest(now), DecidedBy.Mirror);
        var decisions = new RateLimitDecision[calls];
        Array.Fill(decisions, denied);
        return decisions;
    }

    private async Task<RateLimitDecision[]> CancellableAsync(Ticket ticket, CancellationToken cancellationToken)
    {
        var grain = TaskScheduler.Current;
        await using var registration = cancellationToken.UnsafeRegister(
            (_, token) =>
            {
                ticket.Cancel(token);

                // In a turn of the grain, for those behind it to move up.
                _ = Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.None, grain);
            },
            null);
        return await ticket.Decided;
    }

    /// <summary>Does something while no script is in flight.</summary>
    private Task<T> AloneAsync<T>(Func<Task<T>> errand)
    {
        var done = new TaskCompletionSource<T>();
        _errands.Enqueue(async () =>
        {
            try
            {
                done.SetResult(await errand());
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
        });
        Work();
        return done.Task;
    }

    private void Work()
    {
        // One at a time. It ends when there is nothing to do, lets no failure out, and CloseAsync waits for it.
        if (_isWorking) return;
        _isWorking = true;
        _working = WorkAsync();
    }

    private async Task WorkAsync()
    {
        while (true)
        {
            while (_errands.TryDequeue(out var errand)) await errand();
            var batch = NextBatch();
            if (batch.Count == 0) break;
            try
            {
                await DecideAsync(batch);
            }
            catch (Exception error)
            {
                foreach (var ticket in batch) ticket.Fail(error);
                LeaveLine(ticket => ticket.Decided.IsCompleted);
            }
        }

        _isWorking = false;
        WakeForLine();
        CountBytes();
    }

    /// <summary>Those in line whose turn has come, and behind them all that have arrived and are not behind others in line.</summary>
    private List<Ticket> NextBatch()
    {
        var now = logs.Now;
        var batch = new List<Ticket>(_arrived.Count);
        foreach (var ticket in _line.Tickets.Where(ticket => ticket.Permits > _windows.SmallestLimit)) ticket.Fail(TooMany(ticket.Permits));
        LeaveLine(ticket => ticket.Decided.IsCompleted);
        if (_line.Count > 0)
        {
            _line.Plan(_windows, _log);
            var earliest = _clock.Earliest(now);
            DenyLate(now, earliest);
            batch.AddRange(_line.Tickets.TakeWhile(ticket => ticket.PlannedAt <= earliest));
        }

        var isAllDue = batch.Count == _line.Count;
        while (_arrived.TryDequeue(out var ticket))
        {
            if (_isClosed && ticket.Waits) ticket.Fail(new MovedException());
            else if (ticket.Permits > _windows.SmallestLimit) ticket.Fail(TooMany(ticket.Permits));
            else if (isAllDue) batch.Add(ticket);
            else Hold(ticket, now, _clock.Earliest(now), DecidedBy.Mirror);
        }

        return batch;
    }

    /// <summary>Those that have waited as long as they were willing to, and whose turn is still to come.</summary>
    private void DenyLate(long now, long earliest)
    {
        foreach (var ticket in _line.Tickets.Where(ticket => ticket.Deadline <= now && ticket.PlannedAt > earliest))
        {
            counters.Decided(Policy.Name, Outcome.Denied, DecidedBy.Mirror, ticket.Calls);
            ticket.Decide([Denied(ticket.Permits, earliest, DecidedBy.Mirror)]);
        }

        LeaveLine(ticket => ticket.Decided.IsCompleted);
        _line.Plan(_windows, _log);
    }

    /// <summary>Lets a call that was not granted wait for its turn, or denies it where that is not to be or too late.</summary>
    private void Hold(Ticket ticket, long now, long moment, DecidedBy by)
    {
        var turn = Math.Max(moment, _line.TurnOf(ticket.Permits, _windows, _log));
        if (ticket.Waits && turn - moment <= ticket.Deadline - now && _line.Count < maxWaiting)
        {
            _line.Add(ticket, _windows, _log);
            counters.AddWaiting(1);
            return;
        }

        Deny(ticket, 0, moment, by);
    }

    private async Task DecideAsync(List<Ticket> batch)
    {
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
        {
            if (!logs.IsReachable)
            {
                DecideLocally(batch);
                return;
            }

            try
            {
                if (_isUnsynced && _epoch is not null) await SyncAsync();

                // Who is to become the owner of a log that lacks grants known here must first know both.
                var tickets = _isUnsynced ? [] : batch;
                if (await AskAsync(tickets) is not { } answer || tickets.Count != batch.Count) continue;
                Settle(batch, answer);
                return;
            }
            catch (RedisUnavailableException error)
            {
                // Decided here instead. If Redis did decide it, that is undone by the next one.
                if (error.MayHaveHappened) Doubt(batch);
                DecideLocally(batch);
                return;
            }
        }

        throw Contested();
    }

    /// <summary>Asks Redis to decide, and takes in what it says of the log; null where it did not decide.</summary>
    private async Task<LogAnswer?> AskAsync(IReadOnlyList<Ticket> tickets)
    {
        var question = Question(tickets);
        var answer = await logs.DecideAsync(client, question);
        _clock.Observe(answer.Time, answer.Taken.Sent, answer.Taken.Received);
        switch (answer.Status)
        {
            case GrantScripts.Fenced:
                LoseOwnership();
                return null;
            case GrantScripts.Differs:
                IsToSync();
                return null;
        }

        if (_epoch is null) BecomeOwner(answer);
        else NoteGrants(tickets, answer);
        return answer;
    }

    private LogQuestion Question(IReadOnlyList<Ticket> tickets) => new()
    {
        Log = logs.LogKey(client, Policy.Name),
        Requests = logs.RequestsKey(client),
        Windows = _windows,
        Epoch = _epoch,
        Newest = _log.Newest,
        Total = _log.Total,
        Earliest = _clock.Earliest(logs.Now),
        IsDense = _log.Count >= Windows.DenseFrom,
        Tickets = tickets,
    };

    private void BecomeOwner(LogAnswer answer)
    {
        _epoch = answer.Epoch;
        if (!_isUnsynced)
        {
            _log.Load(answer.BeforeGrants, answer.Grants);
        }
        else
        {
            // Both: what Redis knows, and what was granted here without it.
            var all = answer.Grants.Union(_log.ToArray()).OrderBy(grant => grant.At).ToList();
            _log.Clear();
            foreach (var (at, permits) in all) _log.Add(Math.Max(at, _log.Newest + 1), permits);
        }

        _line.Replan();
    }

    private void NoteGrants(IReadOnlyList<Ticket> tickets, LogAnswer answer)
    {
        var granted = 0L;
        for (var i = 0; i < tickets.Count; i++) granted += (long)answer.Granted[i] * tickets[i].Permits;
        _log.Trim(answer.Time - _windows.Longest);
        if (_log.Total != answer.Before) _log.Load(answer.Before, []);
        if (granted == 0) return;
        if (answer.IsAddedToLast) _log.AddToLast(answer.Time, granted);
        else _log.Add(answer.Time, granted);
        _line.Replan();
    }

    /// <summary>Replaces the log in Redis by this one.</summary>
    private async Task SyncAsync()
    {
        _log.Trim(_clock.Earliest(logs.Now) - _windows.Longest);
        var grants = _log.ToArray();
        _log.Load(0, grants);
        _line.Replan();
        var (noted, forgotten) = (_noted, _forgotten);
        if (!await logs.RestoreAsync(Question([]), grants, forgotten, noted))
        {
            LoseOwnership();
            return;
        }

        (_noted, _forgotten) = ([], []);
        if (_isUnsynced) counters.AddUnsynced(-1);
        _isUnsynced = false;
    }

    private void IsToSync()
    {
        if (_isUnsynced) return;
        _isUnsynced = true;
        counters.AddUnsynced(1);
        host.IsUnsynced(TimeSpan.FromMicroseconds(_windows.Longest));

        // Also if nobody calls. It lets no failure out, and ends when all is in Redis, or with this.
        if (_syncing.IsCompleted) _syncing = SyncWhenReachableAsync();
    }

    private async Task SyncWhenReachableAsync()
    {
        while (_isUnsynced && !_isClosed)
        {
            await logs.WhenReachableAsync();
            if (!_isUnsynced || _isClosed) return;
            await AloneAsync(async () =>
            {
                try
                {
                    if (_isUnsynced && _epoch is null) await AskAsync([]);
                    if (_isUnsynced && _epoch is not null) await SyncAsync();
                }
                catch (RedisUnavailableException)
                {
                    // Again when it is there again.
                }

                return 0;
            });
            if (_isUnsynced) await logs.PauseAsync(WhileDown * (0.5 + Random.Shared.NextDouble()));
        }
    }

    /// <summary>Another activation owns the log, and may have changed it: what is known here is of no use, but what Redis does not know.</summary>
    private void LoseOwnership()
    {
        _epoch = null;
        if (!_isUnsynced) _log.Clear();
        _line.Replan();
        host.Fenced();
    }

    /// <summary>Nobody knows whether Redis has granted these: it is to forget it.</summary>
    private void Doubt(List<Ticket> batch)
    {
        foreach (var ticket in batch)
        {
            if (ticket.Name is not null) _forgotten.Add(ticket.Name);
        }

        IsToSync();
    }

    /// <summary>
    /// Decides without Redis. What its clock shows is known to within a moment: grants count as made at the latest it may be, and
    /// as leaving their windows at the earliest it may be.
    /// </summary>
    private void DecideLocally(List<Ticket> batch)
    {
        var now = logs.Now;
        var earliest = _clock.Earliest(now);
        if (Policy.OnRedisDown == RedisDownBehavior.Deny)
        {
            foreach (var ticket in batch) DenyDown(ticket, earliest);
            LeaveLine(ticket => ticket.Decided.IsCompleted);
            return;
        }

        _log.Trim(earliest - _windows.Longest);
        var stamp = Math.Max(_clock.Latest(now), _log.Newest + 1);
        var allowsAll = Policy.OnRedisDown == RedisDownBehavior.Allow;
        var free = Math.Max(0, _windows.Left(_log, earliest));
        var granted = new int[batch.Count];
        var (taken, isBlocked) = (0L, false);
        for (var i = 0; i < batch.Count; i++)
        {
            var ticket = batch[i];
            var fits = isBlocked ? 0 : (int)Math.Min(ticket.Calls, (free - taken) / ticket.Permits);
            taken += (long)fits * ticket.Permits;
            isBlocked |= ticket.Waits && fits < ticket.Calls;
            granted[i] = allowsAll ? ticket.Calls : fits;
            if (ticket.Name is null || fits == 0) continue;
            _forgotten.Remove(ticket.Name);
            _noted[ticket.Name] = stamp;
        }

        if (taken > 0)
        {
            if (_log.Count >= Windows.DenseFrom && stamp / _windows.Tick == _log.Newest / _windows.Tick) _log.AddToLast(stamp, taken);
            else _log.Add(stamp, taken);
            _line.Replan();
            IsToSync();
        }

        Settle(batch, granted, taken, earliest, stamp, DecidedBy.Local);
    }

    private void Settle(List<Ticket> batch, LogAnswer answer)
    {
        var taken = 0L;
        for (var i = 0; i < batch.Count; i++) taken += (long)answer.Granted[i] * batch[i].Permits;
        Settle(batch, answer.Granted, taken, answer.Time, answer.Time, DecidedBy.Redis);
    }

    /// <summary>Tells each what was decided; who was not granted and may wait is put in line.</summary>
    private void Settle(List<Ticket> batch, int[] granted, long taken, long now, long stamp, DecidedBy by)
    {
        // The log holds these grants already. Of calls that were granted, each is told what was left behind it.
        var tightest = _windows.Tightest(_log, now);
        var left = _windows.Left(tightest, _log, now) + taken;
        for (var i = 0; i < batch.Count; i++)
        {
            var (ticket, fits) = (batch[i], granted[i]);
            if (fits == 0) continue;
            var decisions = new RateLimitDecision[ticket.Calls];
            for (var call = 0; call < fits; call++)
            {
                left -= ticket.Permits;
                decisions[call] = Allowed(tightest, left, now, stamp, by);
            }

            counters.Decided(Policy.Name, Outcome.Allowed, by, fits);
            if (fits == ticket.Calls) ticket.Decide(decisions);
            else Deny(ticket, fits, now, by, decisions);
        }

        // In line are still those that were there before and have not been granted now.
        LeaveLine(ticket => ticket.Decided.IsCompleted);
        var waiting = _line.Tickets.ToHashSet();
        var clock = logs.Now;
        for (var i = 0; i < batch.Count; i++)
        {
            if (granted[i] == 0 && !waiting.Contains(batch[i])) Hold(batch[i], clock, now, by);
        }
    }

    private void Deny(Ticket ticket, int from, long now, DecidedBy by, RateLimitDecision[]? decisions = null)
    {
        decisions ??= new RateLimitDecision[ticket.Calls];
        counters.Decided(Policy.Name, Policy.IsShadow ? Outcome.ShadowDenied : Outcome.Denied, by, ticket.Calls - from);
        Array.Fill(decisions, Denied(ticket.Permits, now, by), from, ticket.Calls - from);
        ticket.Decide(decisions);
    }

    private void DenyDown(Ticket ticket, long now)
    {
        counters.Decided(Policy.Name, Policy.IsShadow ? Outcome.ShadowDenied : Outcome.Denied, DecidedBy.Local, ticket.Calls);
        var decisions = new RateLimitDecision[ticket.Calls];
        Array.Fill(decisions, Down(now, ticket.Permits));
        ticket.Decide(decisions);
    }

    private RateLimitDecision Allowed(int window, long left, long now, long stamp, DecidedBy by) => new()
    {
        IsAllowed = true,
        Policy = Policy.Name,
        Window = Policy.Windows[window],
        Windows = Policy.Windows,
        Remaining = (int)Math.Max(0, left),
        ResetAfter = ResetAfter(window, now),
        Source = SourceOf(by),
        DecidedAt = At(stamp),
    };

    private RateLimitDecision Denied(int permits, long now, DecidedBy by)
    {
        var (_, window) = _windows.WhenFree(_log, permits);
        var turn = Math.Max(now + 1, _line.TurnOf(permits, _windows, _log));
        return new()
        {
            IsAllowed = Policy.IsShadow,
            IsShadowDenial = Policy.IsShadow,
            Policy = Policy.Name,
            Window = Policy.Windows[window],
            Windows = Policy.Windows,
            Remaining = (int)Math.Max(0, _windows.Left(window, _log, now)),
            RetryAfter = TimeSpan.FromMicroseconds(turn - now),
            ResetAfter = ResetAfter(window, now),
            Source = SourceOf(by),
            DecidedAt = At(now),
        };
    }

    private RateLimitDecision Down(long now, int permits) =>
        Denied(permits, now, DecidedBy.Local) with { RetryAfter = WhileDown };

    private TimeSpan ResetAfter(int window, long now) =>
        TimeSpan.FromMicroseconds(_log.Count == 0 ? 0 : Math.Max(0, _log.Newest + _windows.Duration(window) - now));

    private static RateLimitSource SourceOf(DecidedBy by) => by == DecidedBy.Local ? RateLimitSource.Local : RateLimitSource.Redis;

    private static DateTimeOffset At(long microseconds) => DateTimeOffset.UnixEpoch.AddMicroseconds(microseconds);

    private Task KnownAsync() => _epoch is null && logs.IsReachable ? AloneAsync(() => KnowAsync(isNeeded: false)) : Task.CompletedTask;

    /// <summary>Returns once the log is known, if Redis is there. Only while no script is in flight.</summary>
    private async Task<bool> KnowAsync(bool isNeeded)
    {
        try
        {
            for (var attempt = 1; attempt <= MaxAttempts && _epoch is null && logs.IsReachable; attempt++) await AskAsync([]);
        }
        catch (RedisUnavailableException) when (!isNeeded)
        {
            // It goes by what is known here.
        }
        catch (RedisUnavailableException error)
        {
            throw Unavailable(error.Message);
        }

        return _epoch is not null || !isNeeded ? true : throw Unavailable("Redis is away, and what this client was granted is not known here");
    }

    private void LeaveLine(Predicate<Ticket> leaves)
    {
        if (_line.RemoveAll(leaves) is > 0 and var left) counters.AddWaiting(-left);
    }

    private void WakeForLine()
    {
        if (_line.Count == 0) return;
        _line.Plan(_windows, _log);
        var now = logs.Now;
        var turn = _line.First.PlannedAt - _clock.Earliest(now);
        var deadline = _line.Tickets.Min(ticket => ticket.Deadline) - now;
        host.WakeAfter(this, TimeSpan.FromMicroseconds(Math.Max(0, Math.Min(turn, deadline))));
    }

    private void CountBytes()
    {
        var bytes = OwnBytes + _log.Bytes;
        counters.AddBytes(bytes - _countedBytes);
        _countedBytes = bytes;
    }

    /// <exception cref="InvalidRateLimitException">No call can ever be granted so many.</exception>
    public void Check(int permits)
    {
        if (permits > _windows.SmallestLimit) throw TooMany(permits);
    }

    private InvalidRateLimitException TooMany(int permits) =>
        new($"Permits is {permits}; allowed are 1 to {_windows.SmallestLimit}, the smallest limit of policy '{Policy.Name}'.");

    private StorageUnavailableException Contested() =>
        Unavailable($"the limiter of client {WellFormedText.Quote(client)} is being taken over again and again");

    private static StorageUnavailableException Unavailable(string why) => new("Redis", why);
}
