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
    // Approximate memory of a limiter beside its log and the client's id.
    private const int OwnBytes = 2048;

    // Each key in Redis is a string of its own that contains the id.
    private const int IdCopies = 2;

    // Bounds the calls and operations that are queued and not started.
    private const int MaxArrived = 10_000;

    private static readonly TimeSpan RetryWhenCrowded = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// The longest log that is rewritten for callers that left. They may come at any rate, and Redis is shared.
    /// </summary>
    private const int MaxRewritten = 1000;

    private readonly RedisGrantLogStore _logs;
    private readonly LimiterCounters _counters;
    private readonly ILimiterHost _host;
    private readonly GrantLogSession _log;
    private readonly WaitingLine _line;
    private readonly DecisionFactory _decisions;
    private readonly Decider _decider;

    private readonly string _client;

    // At most MaxArrived entries in each queue.
    private readonly Queue<Ticket> _arrived = [];

    // Operations that run while no script is in flight, before the next script.
    private readonly Queue<Func<Task>> _operations = [];

    // Completed on close, to release operations that wait for Redis.
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Task _working = Task.CompletedTask;
    private Task _syncing = Task.CompletedTask;
    private bool _isWorking;
    private long _countedBytes;

    public Limiter(
        string client, RateLimitPolicy policy, RedisGrantLogStore logs, LimiterCounters counters, RateLimitOptions options, ILimiterHost host)
    {
        (_client, _logs, _counters, _host) = (client, logs, counters, host);
        _log = new GrantLogSession(client, policy.Name, logs, counters, options.ReservedShare, host.Fenced, OnUnsynced)
        {
            Windows = new Windows(policy),
        };
        _line = new WaitingLine(counters);
        _decisions = new DecisionFactory(_log, _line);
        _decider = new Decider(_log, _line, _decisions, logs, counters, options, host);
        CountBytes();
    }

    /// <summary>True if some grants may be missing in Redis.</summary>
    public bool IsUnsynced => _log.IsUnsynced;

    /// <summary>True if it does nothing, holds no call, and Redis has all its grants.</summary>
    public bool IsIdle => !_isWorking && _line.Count == 0 && !IsUnsynced;

    /// <summary>The policy. It may change at any time; earlier grants count in the new windows.</summary>
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

    /// <exception cref="InvalidRateLimitException">
    /// The smallest limit is below the requested permits, so no call could ever be granted.
    /// </exception>
    /// <exception cref="OverloadedException">The queue of arrived calls is full.</exception>
    public void Check(int permits)
    {
        if (permits > _log.Windows.SmallestLimit) throw TooMany(permits);
        if (_arrived.Count >= MaxArrived) throw Crowded();
    }

    /// <exception cref="OverloadedException">No further request with an id is accepted until Redis is reachable.</exception>
    public void CheckNames()
    {
        if (_log.ForgottenCount >= RateLimits.RememberedRequests) throw ManyForgotten();
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

        _arrived.Enqueue(ticket);
        Work();
        return waits && !ticket.Decided.IsCompleted ? WaitAsync(ticket, cancellationToken) : ticket.Decided;
    }

    /// <summary>The decision that a call would get now.</summary>
    public async Task<RateLimitDecision> PeekAsync(int permits)
    {
        await EnsureOwnedExclusiveAsync();
        var (now, source) = (_log.Clock.Earliest(_logs.Clock.Now), _decider.HeldBy);
        if (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny) return _decisions.Down(permits, now, Decider.WhileDown);
        var isFree = _line.TurnOf(permits, _log) <= now || (source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Allow);
        var (window, left) = _decisions.Tightest(now);
        return isFree ? _decisions.Allowed((window, left - permits), now, now, source) : _decisions.Denied(permits, now, source);
    }

    /// <summary>The decision for a repeated call that was granted at <paramref name="at"/>.</summary>
    public async Task<RateLimitDecision> RepeatedAsync(long at)
    {
        await EnsureOwnedExclusiveAsync();
        var now = _log.Clock.Earliest(_logs.Clock.Now);
        return _decisions.Allowed(_decisions.Tightest(now), now, at, _decider.HeldBy);
    }

    /// <summary>Empties the windows.</summary>
    /// <exception cref="StorageUnavailableException">Redis is unreachable or failed.</exception>
    public Task ResetAsync() => RunExclusiveAsync(async () =>
    {
        for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts; attempt++)
        {
            await EnsureOwnedAsync(isNeeded: true);
            var grants = _log.Grants.ToArray();
            _log.Grants.Clear();
            try
            {
                await _log.SyncAsync();
            }
            catch (RedisUnavailableException error)
            {
                // Redis may have been emptied, so the copy must be written back.
                _log.Grants.Load(0, grants);
                _log.MarkDirty();
                throw Unavailable(error.Message);
            }

            if (_log.IsOwner) return true;
            await _log.BackOffAsync(attempt);
        }

        throw _log.Contested();
    });

    /// <summary>Gives back a grant made at <paramref name="at"/>, even if it is not in Redis yet.</summary>
    /// <returns>The permits that become free.</returns>
    /// <exception cref="StorageUnavailableException">
    /// Redis is unreachable, and this activation does not know the log.
    /// </exception>
    public Task<int> RefundAsync(string name, int permits, long at) => RunExclusiveAsync(async () =>
    {
        CheckNames();
        await EnsureOwnedAsync(isNeeded: true);
        var freed = _log.Refund(at, permits);
        _log.Forget(name);
        await TrySyncAsync();
        return freed;
    });

    /// <summary>Gives back grants that were not used, unless the log is longer than <see cref="MaxRewritten"/>.</summary>
    /// <returns>The permits that become free.</returns>
    /// <exception cref="StorageUnavailableException">
    /// Redis is unreachable, and this activation does not know the log.
    /// </exception>
    public Task<int> RefundUnusedAsync(IReadOnlyList<(long At, int Permits)> grants) => RunExclusiveAsync(async () =>
    {
        await EnsureOwnedAsync(isNeeded: true);
        if (_log.Grants.Count > MaxRewritten) return 0;
        var freed = grants.Sum(grant => _log.RefundUnused(grant.At, grant.Permits));
        if (freed > 0) await TrySyncAsync();
        return freed;
    });

    /// <summary>The wake-up that was requested from the host.</summary>
    public void Wake() => Work();

    /// <summary>
    /// Prepares the end of the activation: waiting calls fail with <see cref="LimiterMovedException"/>, all others are decided.
    /// </summary>
    public void Leave()
    {
        _decider.IsLeaving = true;
        Work();
    }

    /// <summary>
    /// Ends the limiter: decides the calls in flight, fails the waiting ones, and writes back missing grants if Redis is
    /// reachable.
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
                // Redis may be about to return. Another activation may own the log, or this one may not own it yet.
                await Task.WhenAny(_logs.WhenReachableAsync(), _logs.PauseAsync(Decider.WhileDown));
                await RunExclusiveAsync(WriteBackAsync);
            }

            if (_log.IsHoldingBack) await RunExclusiveAsync(TryReturnReserveAsync);
        }
        finally
        {
            // The last turn that counts bytes must end first.
            await _working;
            _host.AddBytes(-_countedBytes);
            if (IsUnsynced) _counters.AddUnsynced(-1);
        }
    }

    /// <summary>The state that the next activation cannot read from Redis, after this one has ended.</summary>
    /// <param name="isAll">True if the next activation can read nothing from Redis.</param>
    public LogHandoff HandOff(bool isAll) => _log.HandOff(isAll);

    /// <summary>Merges the state of another activation that is missing in Redis.</summary>
    public Task TakeOverAsync(LogHandoff handoff) => RunExclusiveAsync(() =>
    {
        _log.TakeOver(handoff);
        return Task.FromResult(true);
    });

    // A call in flight also reports the grants from the reserve, so the reserve must not change meanwhile.
    private bool HasNoCallsAhead => !_isWorking && _line.Count == 0 && !_decider.IsClosed;

    // Until a script says otherwise the windows are full: even the latest possible server time is before the next turn.
    private bool IsFull(int permits, long now) =>
        _log is { IsOwner: true, IsUnsynced: false } && _logs.IsReachable && _line.TurnOf(permits, _log) > _log.Clock.Latest(now);

    private async Task<RateLimitDecision[]> WaitAsync(Ticket ticket, CancellationToken cancellationToken)
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
                Work();
            },
            CancellationToken.None,
            TaskCreationOptions.None,
            grain);
    }

    /// <summary>Runs an operation while no script is in flight.</summary>
    private Task<T> RunExclusiveAsync<T>(Func<Task<T>> operation)
    {
        if (_operations.Count >= MaxArrived) throw Crowded();
        var done = new TaskCompletionSource<T>();
        _operations.Enqueue(async () =>
        {
            try
            {
                done.SetResult(await operation());
            }
            catch (Exception error)
            {
                done.SetException(ToClientException(error));
            }
        });
        Work();
        return done.Task;
    }

    private void Work()
    {
        // One loop at a time. It ends when there is nothing to do and handles all failures; CloseAsync waits for it.
        if (_isWorking) return;
        _isWorking = true;
        _working = WorkAsync();
    }

    private async Task WorkAsync()
    {
        while (true)
        {
            while (_operations.TryDequeue(out var operation)) await operation();
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
                // Report the failure to the callers of the batch. Without a batch, report it to all waiting callers.
                var failure = ToClientException(error);
                var isBatch = batch is { Count: > 0 };
                foreach (var ticket in isBatch ? batch! : [.. _line.All, .. _arrived]) ticket.Fail(failure);
                if (!isBatch) _arrived.Clear();
                _line.RemoveDecided();
                if (!isBatch) break;
            }
        }

        _isWorking = false;
    }

    /// <summary>
    /// The waiting calls whose turn has come, followed by all arrived calls unless other calls still wait before them.
    /// </summary>
    private List<Ticket> NextBatch()
    {
        var now = _logs.Clock.Now;
        var earliest = _log.Clock.Earliest(now);
        AnswerLate(now, earliest);

        // If all calls are granted or denied alike, their order does not matter.
        var isAnyDue = !_logs.IsReachable && Policy.OnRedisDown != RedisDownBehavior.Local;
        List<Ticket> batch = _line.Count == 0 ? []
            : [.. _line.Tickets(_log).TakeWhile(ticket => isAnyDue || ticket.PlannedAt <= earliest).Take(RedisGrantLogStore.MaxEntries)];

        // The rest, and the calls that arrived after it, go with the next batch.
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
                if (batch.Count == 0 || !batch[^1].IsAlike(ticket)) entries++;
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
    /// Answers the waiting calls that reached their deadline, and those whose turn can never come because the policy changed or
    /// the limiter ended.
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
        _host.OnUnsynced(TimeSpan.FromMicroseconds(_log.Windows.Longest));

        // Runs even if no call arrives. It handles all failures and ends when Redis has everything or the limiter closes.
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
                await RunExclusiveAsync(WriteBackAsync);
            }
            catch (Exception)
            {
                // Callers are told about this defect. The grants are written back once it is fixed.
            }

            if (IsUnsynced) await _logs.PauseAsync(Decider.WhileDown * (0.5 + Random.Shared.NextDouble()));
        }
    }

    private async Task<bool> WriteBackAsync() => await EnsureOwnedAsync(isNeeded: false) && await TrySyncAsync();

    private async Task<bool> TrySyncAsync()
    {
        try
        {
            if (IsUnsynced && _logs.IsReachable) await _log.SyncAsync();
        }
        catch (RedisUnavailableException)
        {
            // SyncWhenReachableAsync tries again.
        }

        return !IsUnsynced;
    }

    /// <summary>
    /// Makes Redis count exactly what was granted. If that fails, the next activation has slightly less for a while.
    /// </summary>
    private async Task<bool> TryReturnReserveAsync()
    {
        try
        {
            if (_log.IsHoldingBack && _logs.IsReachable) await _log.DecideAsync([]);
        }
        catch (RedisUnavailableException)
        {
            // The reserve counts as granted until it expires.
        }

        return !_log.IsHoldingBack;
    }

    private Task EnsureOwnedExclusiveAsync() => !_log.IsOwner && _logs.IsReachable
        ? RunExclusiveAsync(() => EnsureOwnedAsync(isNeeded: false))
        : Task.CompletedTask;

    /// <summary>
    /// Loads the log if Redis is reachable. Returns whether this activation owns it. Must not run while a script is in flight.
    /// </summary>
    private async Task<bool> EnsureOwnedAsync(bool isNeeded)
    {
        try
        {
            for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts && !_log.IsOwner && _logs.IsReachable; attempt++)
            {
                await _log.DecideAsync([]);
                if (!_log.IsOwner) await _log.BackOffAsync(attempt);
            }
        }
        catch (RedisUnavailableException) when (!isNeeded)
        {
            // Continue with the local copy.
        }
        catch (RedisUnavailableException error)
        {
            throw Unavailable(error.Message);
        }

        return _log.IsOwner || (isNeeded ? throw Unavailable("Redis is unreachable, and this silo does not know the client's grants") : false);
    }

    private void WakeForLine()
    {
        if (_line.Count == 0) return;
        var (now, tickets) = (_logs.Clock.Now, _line.Tickets(_log));
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
        $"More than {MaxArrived} calls of client {WellFormedText.Quote(_client)} under policy '{Policy.Name}' are queued.", RetryWhenCrowded);

    private static OverloadedException ManyForgotten() => new(
        $"{RateLimits.RememberedRequests} request ids of this client wait to be removed from Redis; no more are accepted until Redis is reachable.",
        LimiterRoom.RetryAfter);

    private InvalidRateLimitException TooMany(int permits) =>
        new($"Permits is {permits}; use 1 to {_log.Windows.SmallestLimit}, the smallest limit of policy '{Policy.Name}'.");

    /// <summary>
    /// Converts a failure for callers. Errors of this product pass through; any other is a defect, which is logged and
    /// replaced.
    /// </summary>
    private Exception ToClientException(Exception error)
    {
        if (error is ActorsException) return error;
        _host.Failed(error);
        return Unavailable($"the limiter failed:{error.Message}");
    }

    private static StorageUnavailableException Unavailable(string why) => new("Redis", why);
}
