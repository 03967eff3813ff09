using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Limits one client under one policy. One script is in flight at a time; calls that arrive meanwhile gather and the next
/// script decides them together, in order. The local copy of the log shows until when a window is full, so denials need no
/// script, and it keeps the limiter working without Redis.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain, one at a time, but any await may let another call run. While a script is in flight the
/// log does not change: arriving calls are denied from it or wait for the next script.
/// </remarks>
internal sealed class Limiter
{
    /// <summary>
    /// The longest log that is rewritten for callers that left. They may come at any rate, and Redis is shared.
    /// </summary>
    private const int MaxRewritten = 1000;

    private readonly RedisGrantLogStore _logs;
    private readonly LogCopy _log;
    private readonly GrantLogSession _session;
    private readonly LimiterEnding _ending;
    private readonly WaitingLine _line;
    private readonly DecisionFactory _decisions;
    private readonly Decider _decider;
    private readonly PendingCalls _calls;
    private readonly WriteBack _writeBack;
    private readonly LimiterMemory _memory;
    private readonly ExclusiveQueue _queue;

    // The calls that may wait and are not decided yet, in the line or on their way to it.
    private int _waiting;

    public Limiter(
        string client, RateLimitPolicy policy, RedisGrantLogStore logs, LimiterCounters counters, RateLimitOptions options, ILimiterHost host)
    {
        _logs = logs;
        _log = new LogCopy(client, policy, logs.Clock, counters, host);
        _session = new GrantLogSession(_log, logs, options.ReservedShare, host);
        _ending = new LimiterEnding(logs.Stopping);
        _line = new WaitingLine(_log, counters, options);
        _decisions = new DecisionFactory(_log, _line);
        _decider = new Decider(_log, _session, _line, _decisions, _ending, logs, counters);
        _calls = new PendingCalls(_log, _line, _decider, _ending, logs);
        _writeBack = new WriteBack(_log, _session, _ending, logs);
        _memory = new LimiterMemory(_log, _line, host);
        _queue = new ExclusiveQueue(_log, _calls, _decider, _writeBack, _memory, host);
        _memory.Count();
    }

    /// <summary>True if some grants may be missing in Redis.</summary>
    public bool IsUnsynced => _log.IsUnsynced;

    /// <summary>True if it does nothing, holds no call, and Redis has all its grants.</summary>
    public bool IsIdle => !_queue.IsWorking && HoldsNothing;

    /// <summary>True if it holds no call, and Redis has all its grants.</summary>
    public bool HoldsNothing => _waiting == 0 && _line.Count == 0 && !IsUnsynced;

    /// <summary>The policy. It may change at any time; earlier grants count in the new windows.</summary>
    public RateLimitPolicy Policy
    {
        get => _log.Policy;
        set
        {
            if (ReferenceEquals(Policy, value)) return;
            _log.Windows = new Windows(value);
            if (_line.Count > 0) _queue.Work();
        }
    }

    /// <exception cref="InvalidRateLimitException">
    /// The smallest limit is below the requested permits, so no call could ever be granted.
    /// </exception>
    /// <exception cref="OverloadedException">Too many calls have arrived and are not decided yet.</exception>
    public void Check(int permits)
    {
        if (permits > _log.Windows.SmallestLimit) throw LimiterErrors.TooMany(permits, _log.Windows);
        _calls.CheckRoom();
    }

    /// <exception cref="OverloadedException">No further request with an id is accepted until Redis is reachable.</exception>
    public void CheckNames()
    {
        if (_log.Names.Forgotten.Count >= RateLimits.RememberedRequests) throw LimiterErrors.ManyForgotten();
    }

    /// <summary>Decides calls of one size, in order. A call that may wait is decided when its turn comes.</summary>
    public Task<RateLimitDecision[]> AcquireAsync(int calls, int permits, string? name, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        if (name is null && HasNoCallsAhead && _decider.TryGrantReserved(calls, permits) is { } granted) return Task.FromResult(granted);
        var now = _logs.Clock.Now;
        var waits = maxWait > TimeSpan.Zero && !Policy.IsShadow;
        var ticket = new Ticket(calls, permits, name, waits ? now + (long)maxWait.TotalMicroseconds : 0);
        if (!waits && IsFull(permits, now))
        {
            _decider.Deny(ticket, _log.Clock.Earliest(now), DecidedBy.Mirror);
            return ticket.Decided;
        }

        _calls.Add(ticket);
        _queue.Work();
        return waits && !ticket.Decided.IsCompleted ? WaitAsync(ticket, cancellationToken) : ticket.Decided;
    }

    /// <summary>The decision that a call would get now.</summary>
    public async Task<RateLimitDecision> PeekAsync(int permits)
    {
        await LoadAsync();
        var (now, source) = (_log.Earliest, _decider.SourceWithoutScript);
        if (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny) return _decisions.Down(permits, now, Decider.WhileDown);
        var isFree = _line.TurnOf(permits) <= now || (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Allow);
        var (window, left) = _decisions.Tightest(now);
        return isFree ? _decisions.Allowed((window, left - permits), now, now, source) : _decisions.Denied(permits, now, source);
    }

    /// <summary>The decision for a repeated call that was granted at <paramref name="at"/>.</summary>
    public async Task<RateLimitDecision> RepeatedAsync(long at)
    {
        await LoadAsync();
        var now = _log.Earliest;
        return _decisions.Allowed(_decisions.Tightest(now), now, at, _decider.SourceWithoutScript);
    }

    /// <summary>Empties the windows.</summary>
    /// <exception cref="StorageUnavailableException">Redis is unreachable or failed.</exception>
    public Task ResetAsync() => _queue.RunAsync(async () =>
    {
        for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts; attempt++)
        {
            await _session.EnsureOwnedAsync(isNeeded: true);
            var grants = _log.Grants.ToArray();
            _log.Grants.Clear();
            try
            {
                await _session.SyncAsync();
            }
            catch (RedisUnavailableException error)
            {
                // Redis may have been emptied, so the copy must be written back.
                _log.Grants.Load(0, grants);
                _log.MarkDirty();
                throw LimiterErrors.Unavailable(error.Message);
            }

            if (_session.IsOwner) return true;
            await _session.BackOffAsync(attempt);
        }

        throw LimiterErrors.Contested(_log);
    });

    /// <summary>Gives back a grant made at <paramref name="at"/>, even if it is not in Redis yet.</summary>
    /// <returns>The permits that become free.</returns>
    /// <exception cref="StorageUnavailableException">
    /// Redis is unreachable, and this activation does not know the log.
    /// </exception>
    public Task<int> RefundAsync(string name, int permits, long at) => _queue.RunAsync(async () =>
    {
        CheckNames();
        await _session.EnsureOwnedAsync(isNeeded: true);
        var freed = _log.Refund(at, permits);
        _log.Names.Forget(name);
        await _writeBack.WriteAsync();
        return freed;
    });

    /// <summary>Gives back grants that were not used, unless the log is longer than <see cref="MaxRewritten"/>.</summary>
    /// <returns>The permits that become free.</returns>
    /// <exception cref="StorageUnavailableException">
    /// Redis is unreachable, and this activation does not know the log.
    /// </exception>
    public Task<int> RefundUnusedAsync(IReadOnlyList<(long At, int Permits)> grants) => _queue.RunAsync(async () =>
    {
        await _session.EnsureOwnedAsync(isNeeded: true);
        if (_log.Grants.Count > MaxRewritten) return 0;
        var freed = grants.Sum(grant => _log.RefundUnused(grant.At, grant.Permits));
        if (freed > 0) await _writeBack.WriteAsync();
        return freed;
    });

    /// <summary>The wake-up that was requested from the host.</summary>
    public void Wake() => _queue.Work();

    /// <summary>
    /// Prepares the end of the activation: waiting calls fail with <see cref="LimiterMovedException"/>, all others are decided.
    /// </summary>
    public void Leave()
    {
        _ending.Leave();
        _queue.Work();
    }

    /// <summary>
    /// Ends the limiter: decides the calls in flight, fails the waiting ones, and writes back missing grants if Redis is
    /// reachable.
    /// </summary>
    public async Task CloseAsync()
    {
        try
        {
            _ending.Close();
            _queue.Work();
            await _queue.Working;
            if (IsUnsynced)
            {
                // Redis may be about to return. Another activation may own the log, or this one may not own it yet.
                await _writeBack.WaitForRedisAsync();
                await _queue.RunAsync(_writeBack.TakeOverAndWriteAsync);
            }

            if (_log.IsHoldingBack) await _queue.RunAsync(_writeBack.ReturnReserveAsync);
        }
        finally
        {
            // The last turn that counts bytes must end first.
            await _queue.Working;
            _memory.Release();
            _log.Release();
        }
    }

    /// <summary>The state that the next activation cannot read from Redis, after this one has ended.</summary>
    /// <param name="isAll">True if the next activation can read nothing from Redis.</param>
    public LogHandoff HandOff(bool isAll) => _log.HandOff(isAll);

    /// <summary>Merges the state of another activation that is missing in Redis.</summary>
    public Task TakeOverAsync(LogHandoff handoff) => _queue.RunAsync(() =>
    {
        _log.TakeOver(handoff);
        return Task.FromResult(true);
    });

    // A call in flight also reports the grants from the reserve, so the reserve must not change meanwhile.
    private bool HasNoCallsAhead => !_queue.IsWorking && _line.Count == 0 && !_ending.IsClosed;

    // Until a script says otherwise the windows are full: even the latest possible server time is before the next turn.
    private bool IsFull(int permits, long now) =>
        _session.IsOwner && !_log.IsUnsynced && _logs.IsReachable && _line.TurnOf(permits) > _log.Clock.Latest(now);

    private Task LoadAsync() => !_session.IsOwner && _logs.IsReachable
        ? _queue.RunAsync(() => _session.EnsureOwnedAsync(isNeeded: false))
        : Task.CompletedTask;

    private async Task<RateLimitDecision[]> WaitAsync(Ticket ticket, CancellationToken cancellationToken)
    {
        _waiting++;
        try
        {
            // Runs in a turn of the grain; the calls behind this one move up.
            var grain = TaskScheduler.Current;
            await using var givenUp = cancellationToken.UnsafeRegister((_, token) => Run(() => ticket.GiveUp(token)), null);
            await using var stopping = _logs.Stopping.UnsafeRegister(_ => Run(() => { }), null);
            return await ticket.Decided;

            void Run(Action first) => _ = Task.Factory.StartNew(
                () =>
                {
                    first();
                    _queue.Work();
                },
                CancellationToken.None,
                TaskCreationOptions.None,
                grain);
        }
        finally
        {
            _waiting--;
        }
    }
}
