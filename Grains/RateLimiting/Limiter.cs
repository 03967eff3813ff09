using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Limits one client under one policy. One script is in flight at a time; the calls that arrive meanwhile gather, and the next
/// one decides them together, in order. Its copy of the log tells until when a window is full, so that denials need no script,
/// and lets it go on without Redis.
/// </summary>
/// <remarks>
/// All of it is touched by the turns of one grain only, one at a time, but any await may let another call run. While a script
/// is in flight, the log is changed by nobody: arrivals are denied from it, or wait for the next script.
/// </remarks>
internal sealed class Limiter
{
    // What a limiter takes beside its log and the client's id, roughly.
    private const int OwnBytes = 2048;

    // The id is a part of the keys in Redis, each of which is a text.
    private const int IdCopies = 2;

    // Calls and errands that have arrived and are not begun with: the silo does not hold any number of them.
    private const int MaxArrived = 10_000;

    private static readonly TimeSpan RetryWhenCrowded = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest log that is written anew for callers that left: they come as often as they like, and Redis is shared.</summary>
    private const int MaxRewritten = 1000;

    private readonly RedisGrantLogStore _logs;
    private readonly LimiterCounters _counters;
    private readonly ILimiterHost _host;
    private readonly GrantLogSession _log;
    private readonly WaitingLine _line;
    private readonly Decisions _decisions;
    private readonly Decider _decider;

    private readonly string _client;

    // Up to MaxArrived of each.
    private readonly Queue<Ticket> _arrived = [];

    // What is to be done while no script is in flight, before the next one.
    private readonly Queue<Func<Task>> _errands = [];

    // Completed when it is closed: what waits for Redis lets it go then.
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Task _working = Task.CompletedTask;
    private Task _syncing = Task.CompletedTask;
    private bool _isWorking;
    private long _countedBytes;

    public Limiter(string client, RateLimitPolicy policy, RedisGrantLogStore logs, LimiterCounters counters, RateLimitOptions options, ILimiterHost host)
    {
        (_client, _logs, _counters, _host) = (client, logs, counters, host);
        _log = new GrantLogSession(client, policy.Name, logs, counters, options.ReservedShare, host.Fenced, OnUnsynced) { Windows = new Windows(policy) };
        _line = new WaitingLine(counters);
        _decisions = new Decisions(_log, _line);
        _decider = new Decider(_log, _line, _decisions, logs, counters, options, host);
        CountBytes();
    }

    /// <summary>True where there may be grants that Redis does not know.</summary>
    public bool IsUnsynced => _log.IsUnsynced;

    /// <summary>True where it does nothing, holds no call, and all it knows is in Redis.</summary>
    public bool IsIdle => !_isWorking && _line.Count == 0 && !IsUnsynced;

    /// <summary>The policy; may change at any time, and what was granted so far counts in the new windows.</summary>
    public RateLimitPolicy Policy
    {
        get => _log.Windows.Policy;
        set
        {
            if (ReferenceEquals(Policy, value)) return;
            _log.Windows = new Windows(value);
            if (_line.Count > 0) Work();
        }
    }

    /// <exception cref="InvalidRateLimitException">No call can ever be granted so many.</exception>
    /// <exception cref="OverloadedException">So many calls have arrived already that this one is not taken.</exception>
    public void Check(int permits)
    {
        if (permits > _log.Windows.SmallestLimit) throw TooMany(permits);
        if (_arrived.Count >= MaxArrived) throw Crowded();
    }

    /// <exception cref="OverloadedException">No further request with an id is taken until Redis is there.</exception>
    public void CheckNames()
    {
        if (_log.ForgottenCount >= RateLimits.RememberedRequests) throw ManyForgotten();
    }

    /// <summary>Decides so many calls of one size, in order; of one that may wait, once its turn has come.</summary>
    public Task<RateLimitDecision[]> AcquireAsync(int calls, int permits, string? name, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        if (name is null && IsNobodyBefore && _decider.TryGrantReserved(calls, permits) is { } granted) return Task.FromResult(granted);
        var now = _logs.Now;
        var waits = maxWait > TimeSpan.Zero && !Policy.IsShadow;
        var ticket = new Ticket(calls, permits, name, waits ? now + (long)maxWait.TotalMicroseconds : 0);
        if (!waits && IsFull(permits, now))
        {
            _decider.Deny(ticket, _log.Clock.Earliest(now), DecidedBy.Mirror);
            return ticket.Decided;
        }

        _arrived.Enqueue(ticket);
        Work();
        return waits && !ticket.Decided.IsCompleted ? WaitAsync(ticket, cancellationToken) : ticket.Decided;
    }

    /// <summary>What a call would get now.</summary>
    public async Task<RateLimitDecision> PeekAsync(int permits)
    {
        await KnownAsync();
        var (now, source) = (_log.Clock.Earliest(_logs.Now), _decider.HeldBy);
        if (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny) return _decisions.Down(permits, now, Decider.WhileDown);
        var isFree = _line.TurnOf(permits, _log) <= now || (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Allow);
        var (window, left) = _decisions.Tightest(now);
        return isFree ? _decisions.Allowed((window, left - permits), now, now, source) : _decisions.Denied(permits, now, source);
    }

    /// <summary>What a call is told that was granted at <paramref name="at"/>, and is made again.</summary>
    public async Task<RateLimitDecision> RepeatedAsync(long at)
    {
        await KnownAsync();
        var now = _log.Clock.Earliest(_logs.Now);
        return _decisions.Allowed(_decisions.Tightest(now), now, at, _decider.HeldBy);
    }

    /// <summary>Empties the windows.</summary>
    /// <exception cref="StorageUnavailableException">Redis is away.</exception>
    public Task ResetAsync() => AloneAsync(async () =>
    {
        for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts; attempt++)
        {
            await KnowAsync(isNeeded: true);
            var grants = _log.Grants.ToArray();
            _log.Grants.Clear();
            try
            {
                await _log.SyncAsync();
            }
            catch (RedisUnavailableException error)
            {
                // It may have been emptied there: what is known here is to stand again.
                _log.Grants.Load(0, grants);
                _log.BecomeUnsynced();
                throw Unavailable(error.Message);
            }

            if (_log.IsOwner) return true;
            await _log.LetOthersAsync(attempt);
        }

        throw _log.Contested();
    });

    /// <summary>Gives back what was granted at <paramref name="at"/>, also where that is not in Redis yet.</summary>
    /// <returns>The permits that are free again by that.</returns>
    /// <exception cref="StorageUnavailableException">Redis is away, and the log is not known here.</exception>
    public Task<int> RefundAsync(string name, int permits, long at) => AloneAsync(async () =>
    {
        CheckNames();
        await KnowAsync(isNeeded: true);
        var freed = _log.Refund(at, permits);
        _log.Forget(name);
        await TrySyncAsync();
        return freed;
    });

    /// <summary>Gives back calls that were granted at these times and not used; not if the log is long, see <see cref="MaxRewritten"/>.</summary>
    /// <returns>The permits that are free again by that.</returns>
    /// <exception cref="StorageUnavailableException">Redis is away, and the log is not known here.</exception>
    public Task<int> RefundUnusedAsync(IReadOnlyList<(long At, int Permits)> grants) => AloneAsync(async () =>
    {
        await KnowAsync(isNeeded: true);
        if (_log.Grants.Count > MaxRewritten) return 0;
        var freed = grants.Sum(grant => _log.RefundUnused(grant.At, grant.Permits));
        if (freed > 0) await TrySyncAsync();
        return freed;
    });

    /// <summary>The time for which it asked to be woken has come.</summary>
    public void Wake() => Work();

    /// <summary>The activation is to end: calls that wait are told to go elsewhere (<see cref="LimiterMovedException"/>), all others are decided.</summary>
    public void Leave()
    {
        _decider.IsLeaving = true;
        Work();
    }

    /// <summary>
    /// Ends it: what is under way is decided, what waits is told to go elsewhere, and what Redis does not know is written back,
    /// if it is there.
    /// </summary>
    public async Task CloseAsync()
    {
        try
        {
            _decider.IsClosed = true;
            _closed.TrySetResult();
            Work();
            await _working;
            if (IsUnsynced)
            {
                // Redis may be on its way back just now. It may have another owner, or this one does not know it yet.
                await Task.WhenAny(_logs.WhenReachableAsync(), _logs.PauseAsync(Decider.WhileDown));
                await AloneAsync(WriteBackAsync);
            }

            if (_log.IsHoldingBack) await AloneAsync(TryReturnReserveAsync);
        }
        finally
        {
            // Ours was the last turn that counts bytes.
            await _working;
            _host.AddBytes(-_countedBytes);
            if (IsUnsynced) _counters.AddUnsynced(-1);
        }
    }

    /// <summary>What the next activation cannot read in Redis, once this has ended.</summary>
    /// <param name="isAll">True where it can read nothing there.</param>
    public LogHandoff HandOff(bool isAll) => _log.HandOff(isAll);

    /// <summary>Goes on with what another activation knew and Redis does not.</summary>
    public Task TakeOverAsync(LogHandoff handoff) => AloneAsync(() =>
    {
        _log.TakeOver(handoff);
        return Task.FromResult(true);
    });

    // Nor is a question on its way, which says what was granted from the reserve.
    private bool IsNobodyBefore => !_isWorking && _line.Count == 0 && !_decider.IsClosed;

    // Until a script says otherwise the windows are certainly full: the server's clock, whatever it shows, is not there yet.
    private bool IsFull(int permits, long now) =>
        _log is { IsOwner: true, IsUnsynced: false } && _logs.IsReachable && _line.TurnOf(permits, _log) > _log.Clock.Latest(now);

    private async Task<RateLimitDecision[]> WaitAsync(Ticket ticket, CancellationToken cancellationToken)
    {
        // Each in a turn of the grain, and those behind it move up.
        var grain = TaskScheduler.Current;
        await using var givenUp = cancellationToken.UnsafeRegister((_, token) => Run(() => ticket.GiveUp(token)), null);
        await using var stopping = _logs.Stopping.UnsafeRegister(_ => Run(() => { }), null);
        return await ticket.Decided;

        void Run(Action first) => _ = Task.Factory.StartNew(
            () =>
            {
                first();
                Work();
            },
            CancellationToken.None,
            TaskCreationOptions.None,
            grain);
    }

    /// <summary>Does something while no script is in flight.</summary>
    private Task<T> AloneAsync<T>(Func<Task<T>> errand)
    {
        if (_errands.Count >= MaxArrived) throw Crowded();
        var done = new TaskCompletionSource<T>();
        _errands.Enqueue(async () =>
        {
            try
            {
                done.SetResult(await errand());
            }
            catch (Exception error)
            {
                done.SetException(Told(error));
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
            List<Ticket>? batch = null;
            try
            {
                batch = NextBatch();
                if (batch.Count == 0)
                {
                    if (_arrived.Capacity > 1024) _arrived.TrimExcess();
                    WakeForLine();
                    CountBytes();
                    break;
                }

                await _decider.DecideAsync(batch);
            }
            catch (Exception error)
            {
                // They are told; it is theirs. Without a batch it is everyone's who waits.
                var told = Told(error);
                var isBatch = batch is { Count: > 0 };
                foreach (var ticket in isBatch ? batch! : [.. _line.All, .. _arrived]) ticket.Fail(told);
                if (!isBatch) _arrived.Clear();
                _line.RemoveDecided();
                if (!isBatch) break;
            }
        }

        _isWorking = false;
    }

    /// <summary>Those in line whose turn has come, and behind them all that have arrived, unless others in line are before them.</summary>
    private List<Ticket> NextBatch()
    {
        var now = _logs.Now;
        var earliest = _log.Clock.Earliest(now);
        AnswerLate(now, earliest);

        // Where all are granted or denied alike, nobody is before others.
        var isAnyDue = !_logs.IsReachable && Policy.OnRedisDown != RedisDownBehavior.Local;
        List<Ticket> batch = _line.Count == 0 ? []
            : [.. _line.Tickets(_log).TakeWhile(ticket => isAnyDue || ticket.PlannedAt <= earliest).Take(RedisGrantLogStore.MaxEntries)];

        // The rest goes with the next one, those that have arrived behind it.
        if (batch.Count == RedisGrantLogStore.MaxEntries) return Begin(batch);
        var isLineDue = batch.Count == _line.Count;
        for (var entries = batch.Count; entries < RedisGrantLogStore.MaxEntries && _arrived.TryDequeue(out var ticket);)
        {
            if (ticket.Decided.IsCompleted) continue;
            if (_decider.IsEnding && ticket.Waits) ticket.Fail(Decider.Moved());
            else if (ticket.Permits > _log.Windows.SmallestLimit) ticket.Fail(TooMany(ticket.Permits));
            else if (!isLineDue) _decider.HoldOrDeny(ticket, now, earliest, _decider.HeldBy);
            else
            {
                if (batch.Count == 0 || !RedisGrantLogStore.IsAlike(batch[^1], ticket)) entries++;
                batch.Add(ticket);
            }
        }

        return Begin(batch);
    }

    private static List<Ticket> Begin(List<Ticket> batch)
    {
        foreach (var ticket in batch) ticket.BeginDeciding();
        return batch;
    }

    /// <summary>
    /// Answers those in line who have waited as long as they would, and those whose turn will never come, since the policy has
    /// changed or this has ended.
    /// </summary>
    private void AnswerLate(long now, long earliest)
    {
        _line.RemoveDecided();
        if (_line.Count == 0) return;
        foreach (var ticket in _line.Tickets(_log))
        {
            if (_decider.IsEnding) ticket.Fail(Decider.Moved());
            else if (ticket.Permits > _log.Windows.SmallestLimit) ticket.Fail(TooMany(ticket.Permits));
        }

        _line.RemoveDecided();
        foreach (var ticket in _line.Tickets(_log).Where(ticket => ticket.Deadline <= now && ticket.PlannedAt > earliest).ToList())
            _decider.Deny(ticket, earliest, _decider.HeldBy);
        _line.RemoveDecided();
    }

    private void OnUnsynced()
    {
        _host.IsUnsynced(TimeSpan.FromMicroseconds(_log.Windows.Longest));

        // Also if nobody calls. It lets no failure out, and ends when all is in Redis, or with this.
        if (_syncing.IsCompleted) _syncing = SyncWhenReachableAsync();
    }

    private async Task SyncWhenReachableAsync()
    {
        while (IsUnsynced && !_decider.IsClosed)
        {
            await Task.WhenAny(_logs.WhenReachableAsync(), _closed.Task);
            if (!IsUnsynced || _decider.IsClosed) return;
            try
            {
                await AloneAsync(WriteBackAsync);
            }
            catch (Exception)
            {
                // A fault, which callers are told of. What is to be written back is so once it is mended.
            }

            if (IsUnsynced) await _logs.PauseAsync(Decider.WhileDown * (0.5 + Random.Shared.NextDouble()));
        }
    }

    private async Task<bool> WriteBackAsync() => await KnowAsync(isNeeded: false) && await TrySyncAsync();

    private async Task<bool> TrySyncAsync()
    {
        try
        {
            if (IsUnsynced && _logs.IsReachable) await _log.SyncAsync();
        }
        catch (RedisUnavailableException)
        {
            // When it is there again (SyncWhenReachableAsync).
        }

        return !IsUnsynced;
    }

    /// <summary>Has Redis count what was granted, and no more; where that does not succeed, the next activation has a little less for a while.</summary>
    private async Task<bool> TryReturnReserveAsync()
    {
        try
        {
            if (_log.IsHoldingBack && _logs.IsReachable) await _log.AskAsync([]);
        }
        catch (RedisUnavailableException)
        {
            // It counts as granted.
        }

        return !_log.IsHoldingBack;
    }

    private Task KnownAsync() => !_log.IsOwner && _logs.IsReachable ? AloneAsync(() => KnowAsync(isNeeded: false)) : Task.CompletedTask;

    /// <summary>Returns once the log is known, if Redis is there; true if so. Only while no script is in flight.</summary>
    private async Task<bool> KnowAsync(bool isNeeded)
    {
        try
        {
            for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts && !_log.IsOwner && _logs.IsReachable; attempt++)
            {
                await _log.AskAsync([]);
                if (!_log.IsOwner) await _log.LetOthersAsync(attempt);
            }
        }
        catch (RedisUnavailableException) when (!isNeeded)
        {
            // It goes by what is known here.
        }
        catch (RedisUnavailableException error)
        {
            throw Unavailable(error.Message);
        }

        return _log.IsOwner || (isNeeded ? throw Unavailable("Redis is away, and what this client was granted is not known here") : false);
    }

    private void WakeForLine()
    {
        if (_line.Count == 0) return;
        var (now, tickets) = (_logs.Now, _line.Tickets(_log));
        var turn = tickets[0].PlannedAt - _log.Clock.Earliest(now);
        var deadline = tickets.Min(ticket => ticket.Deadline) - now;
        _host.WakeAfter(this, TimeSpan.FromMicroseconds(Math.Max(0, Math.Min(turn, deadline))));
    }

    private void CountBytes()
    {
        var bytes = OwnBytes + (IdCopies * sizeof(char) * _client.Length) + _log.Bytes + _line.Bytes;
        if (bytes == _countedBytes) return;
        _host.AddBytes(bytes - _countedBytes);
        _countedBytes = bytes;
    }

    private OverloadedException Crowded() => new(
        $"More than {MaxArrived} calls of client {WellFormedText.Quote(_client)} under policy '{Policy.Name}' are to be decided.", RetryWhenCrowded);

    private static OverloadedException ManyForgotten() => new(
        $"Redis is still to forget {RateLimits.RememberedRequests} request ids of this client, and further ones are refused until it is there.",
        LimiterRoom.RetryAfter);

    private InvalidRateLimitException TooMany(int permits) =>
        new($"Permits is {permits}; allowed are 1 to {_log.Windows.SmallestLimit}, the smallest limit of policy '{Policy.Name}'.");

    /// <summary>What callers are told: errors of ours as they are; any other is a defect that someone must see, and callers cannot read.</summary>
    private Exception Told(Exception error)
    {
        if (error is ActorsException) return error;
        _host.Failed(error);
        return Unavailable($"it failed: {error.Message}");
    }

    private static StorageUnavailableException Unavailable(string why) => new("Redis", why);
}
