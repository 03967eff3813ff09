using Actors.Core;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>A stretch of time in which all calls went to Redis by one connection; equal to another one if it is the same.</summary>
internal readonly record struct ClosedSpan(CircuitPhase Phase, long Reconnects);

/// <summary>
/// The way to one Redis: a breaker, a connection for each role that uses this Redis, and a record of the calls. It looks
/// after itself: silence is noticed and Redis is probed whether or not there are calls.
/// </summary>
internal sealed partial class RedisCircuit : IAsyncDisposable
{
    private const int KeptTransitions = 50;

    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(10);

    // Twice the longest time between two looks.
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WrongCallsEvery = TimeSpan.FromMinutes(1);

    private readonly BreakerOptions _options;
    private readonly TimeProvider _clock;

    // The breaker's time; latencies are measured by the precise clock.
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CircuitBreaker _breaker;
    private readonly LatencyWindow _latency;
    private readonly ProcessPauseDetector _pauses;
    private readonly ProcessPauseDetector _delays;
    private readonly Dictionary<RedisRole, RedisConnection> _connections;
    private readonly string _keyPrefix;
    private readonly string _roles;
    private readonly CancellationTokenSource _stop = new();
    private readonly BackgroundLoop _loop;
    private readonly Task _watching;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Begun by the loop, one of each at a time, and awaited at the end. Neither lets a failure out.
    private Task _probing = Task.CompletedTask;
    private Task _asking = Task.CompletedTask;

    // The last transitions, newest last, under its own lock; the breaker adds to it under its lock, and calls nothing back.
    private readonly Queue<BreakerTransition> _transitions = new();

    // Counters that any thread adds to, interlocked.
    private long _asked;
    private long _answered;
    private long _failures;
    private long _breaks;

    // Published whole by whoever learnt it last.
    private volatile LastError? _lastError;
    private volatile RedisHealth? _health;

    // When a wrong call was last logged; 0 for never. Any thread, interlocked.
    private long _wrongCallLogged;

    public RedisCircuit(RedisOptions redis, IReadOnlyList<RedisRole> roles, BreakerOptions options, TimeProvider clock, ILogger logger, BackgroundLoops loops)
    {
        logger = new SafeLogger(logger);
        _options = options;
        _clock = clock;
        _time = CoarseClock.Of(clock);
        _logger = logger;
        _keyPrefix = redis.KeyPrefix;
        _roles = string.Join(", ", roles).ToLowerInvariant();
        Roles = roles;
        Address = redis.AddressOf(roles[0]);
        _latency = new LatencyWindow(clock);
        _pauses = new ProcessPauseDetector(_time, options.CallTimeout / 2);
        _delays = new ProcessPauseDetector(_time, options.SlowCallDuration / 2 > LeastDelay ? options.SlowCallDuration / 2 : LeastDelay);
        _breaker = new CircuitBreaker(options, _time.TimestampFrequency, _time.GetTimestamp(), Changed);
        _connections = roles.ToDictionary(
            role => role, role => new RedisConnection(() => redis.For(role), logger, () => _breaker.Reconnected(_time.GetTimestamp())));

        _loop = new BackgroundLoop($"Watching Redis at {Address} ({_roles})", loops, clock, logger);
        _watching = Task.Run(() => _loop.RunAsync(WatchAsync, _stop.Token));
    }

    /// <summary>Completes once the connections of all roles were tried. A Redis that is away is no error.</summary>
    public Task Connected => _connected.Task;

    /// <summary>Where this Redis is, without secrets.</summary>
    public string Address { get; }

    /// <summary>What it is used for.</summary>
    public IReadOnlyList<RedisRole> Roles { get; }

    public BreakerState State => _breaker.State;

    /// <summary>
    /// While all calls go to Redis: in which phase, and over which connection of <paramref name="role"/>. What another one is
    /// answered may come from another server, or from one that has lost its last moments.
    /// </summary>
    public ClosedSpan? Closed(RedisRole role) => _breaker.Phase is { Step: CircuitStep.Closed } closed
        ? new ClosedSpan(closed, Reconnects(role))
        : null;

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects(RedisRole role) => _connections[role].Reconnects;

    /// <summary>How often calls were cut off since the start.</summary>
    public long Breaks => Volatile.Read(ref _breaks);

    public long Calls => Volatile.Read(ref _asked);

    public long Failures => Volatile.Read(ref _failures);

    public long Rejected => _breaker.Rejected;

    public LatencySnapshot Latency => _latency.Snapshot();

    public RedisHealth? Health => _health;

    /// <summary>Makes a call, if the circuit lets it through, and waits for its answer no longer than a call may take.</summary>
    /// <param name="role">The role whose connection it takes.</param>
    /// <param name="state">What the call is given.</param>
    /// <param name="call">The call.</param>
    /// <param name="patience">See <see cref="RedisGateway.EvaluateAsync"/>.</param>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<T> CallAsync<TState, T>(
        RedisRole role, TState state, Func<IDatabase, TState, Task<T>> call, TimeSpan? patience = null)
    {
        var began = _time.GetTimestamp();
        CircuitPhase permit;
        while (!_breaker.TryEnter(began, out permit))
        {
            if (patience is not { } longest || IsAway(permit, longest, began))
                throw new RedisUnavailableException(role, $"its circuit is {permit.State}: {_lastError?.Reason}", mayHaveHappened: false);

            // As long as it waits it is not turned away again, and not counted.
            do
            {
                await Task.Delay(Turn, _clock);
                began = _time.GetTimestamp();
                permit = _breaker.Phase;
            }
            while (permit.Step is CircuitStep.Broken or CircuitStep.Probing && !IsAway(permit, longest, began));
        }

        Interlocked.Increment(ref _asked);
        var sent = _clock.GetTimestamp();
        try
        {
            var answer = await _connections[role].CallAsync(state, call).WaitAsync(_options.CallTimeout, _clock, permit.Broken);
            var received = _clock.GetTimestamp();
            _latency.Record(_clock.GetElapsedTime(sent, received), received);
            Answered(permit, began);
            return answer;
        }
        catch (Exception error) when (RedisFailures.IsUnavailability(error))
        {
            Interlocked.Increment(ref _failures);
            var now = _time.GetTimestamp();

            // A call that the open circuit released knows no more than why it opened.
            if (error is not OperationCanceledException) _lastError = new(RedisFailures.Reason(error), _clock.GetUtcNow());
            if (RedisFailures.IsStructural(error)) _breaker.Unusable(permit, now, RedisFailures.Reason(error));
            else if (error is not TimeoutException || !_pauses.Within(began, now)) _breaker.Failed(permit, now, RedisFailures.Reason(error));
            Suspect(error);
            throw RedisFailures.Unavailable(role, error);
        }
        catch (RedisServerException error)
        {
            // Redis is there, and the call was wrong, or a key holds something else. The caller goes on without it.
            Answered(permit, began);
            LogWrongCall(error);
            throw RedisFailures.Unavailable(role, error);
        }
        finally
        {
            Interlocked.Increment(ref _answered);
        }
    }

    /// <summary>True where Redis has been away for so long; also where it was isolated, since it is not back by itself then.</summary>
    public bool IsAway(TimeSpan duration) => IsAway(_breaker.Phase, duration, _time.GetTimestamp());

    public void Isolate(string reason) => _breaker.Isolate(_time.GetTimestamp(), reason);

    public void Close(string reason) => _breaker.Close(_time.GetTimestamp(), reason);

    /// <summary>The driver's connection of <paramref name="role"/>, past the circuit: for providers that have one way to Redis only.</summary>
    public Task<IConnectionMultiplexer> OpenAsync(RedisRole role) => _connections[role].OpenAsync();

    public CircuitSnapshot Snapshot()
    {
        var now = _time.GetTimestamp();
        var (phase, nextProbe) = _breaker.Standing;
        var lastError = _lastError;
        return new CircuitSnapshot
        {
            Address = Address,
            Roles = [.. Roles.Select(role => role.ToString().ToLowerInvariant())],
            State = phase.State,
            Since = At(phase.Since),
            FailureRatio = _breaker.FailureRatio(now),
            Latency = Latency,
            LastError = lastError?.Reason,
            LastErrorAt = lastError?.At,
            NextProbe = nextProbe is { } due ? At(due) : null,
            Transitions = Transitions(),
            Calls = Calls,
            Failures = Failures,
            Rejected = Rejected,
            Health = _health,
        };

        DateTimeOffset At(long timestamp) => _clock.GetUtcNow() - _time.GetElapsedTime(timestamp, now);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;

        // Each has a time limit.
        await Task.WhenAll(_probing, _asking);
        foreach (var connection in _connections.Values) await connection.DisposeAsync();
        _stop.Dispose();
    }

    private void Answered(CircuitPhase permit, long began)
    {
        // Where nobody here had the time to take it, a late answer says nothing of Redis: on a machine that is busy with the
        // start of a silo, or has lost another, to go on without Redis would make it all worse.
        var now = _time.GetTimestamp();
        var isSlow = now - began >= _breaker.Slow && !_delays.Within(began, now);
        if (isSlow) Interlocked.Increment(ref _failures);
        _breaker.Answered(permit, isSlow ? began : now, now);
    }

    // The ramp is soon over, one way or the other.
    private bool IsAway(CircuitPhase phase, TimeSpan duration, long now) => phase.Step switch
    {
        CircuitStep.Closed or CircuitStep.Ramping => false,
        CircuitStep.Isolated => true,
        _ => _time.GetElapsedTime(phase.AwaySince, now) >= duration,
    };

    // A key that holds something else may be called many times a second.
    private void LogWrongCall(Exception error)
    {
        var (last, now) = (Volatile.Read(ref _wrongCallLogged), _time.GetTimestamp());
        if (last != 0 && _time.GetElapsedTime(last, now) < WrongCallsEvery) return;
        if (Interlocked.CompareExchange(ref _wrongCallLogged, now, last) == last) LogWrongCall(_logger, Address, _roles, RedisFailures.Reason(error));
    }

    // The connections of all roles lead to the same address: what one has found out about the server holds for all.
    private void Suspect(Exception error)
    {
        if (!RedisFailures.IsReplica(error)) return;
        foreach (var connection in _connections.Values) connection.Suspect(error);
    }

    private BreakerTransition[] Transitions()
    {
        lock (_transitions) return [.. _transitions];
    }

    private void Changed(BreakerState from, BreakerState to, string reason)
    {
        if (to is BreakerState.Open or BreakerState.Isolated) Interlocked.Increment(ref _breaks);
        if (to is BreakerState.Open or BreakerState.Isolated) _lastError = new(reason, _clock.GetUtcNow());
        lock (_transitions)
        {
            if (_transitions.Count == KeptTransitions) _transitions.Dequeue();
            _transitions.Enqueue(new() { At = _clock.GetUtcNow(), From = from, To = to, Reason = reason });
        }

        // Once when it opens and once when it closes; that it is tried in between is nothing to tell everyone.
        var level = to == BreakerState.Closed ? LogLevel.Information
            : from == BreakerState.Closed || to == BreakerState.Isolated ? LogLevel.Warning
            : LogLevel.Debug;
        LogChanged(_logger, level, Address, _roles, from, to, reason);
    }

    /// <summary>One pass for as long as nothing fails.</summary>
    private async Task<bool> WatchAsync(CancellationToken stop)
    {
        if (!_connected.Task.IsCompleted)
        {
            await ConnectAsync();
            _connected.TrySetResult();
        }

        var silence = new StallDetector(_time, _options.SilenceDuration);
        using var timer = new PeriodicTimer(silence.Interval, _clock);
        var healthDue = _time.GetTimestamp();
        while (await timer.WaitForNextTickAsync(stop))
        {
            var now = _time.GetTimestamp();
            _pauses.Look(now);
            _delays.Look(now);

            // In this order: a call that is answered in between makes it look less silent, not more.
            var (phase, asked, answered) = (_breaker.Phase, Volatile.Read(ref _asked), Volatile.Read(ref _answered));
            if (silence.IsSilent(asked - answered, answered, now)) _breaker.Silent(phase, now);

            // One from before the last change may still be under way.
            if (_breaker.TryProbe(now, out var probe)) _probing = Task.WhenAll(_probing, ProbeAsync(probe));
            _loop.Succeeded();
            if (now < healthDue || !_asking.IsCompleted || State != BreakerState.Closed) continue;
            healthDue = now + (long)(HealthInterval.TotalSeconds * _time.TimestampFrequency);
            _asking = AskHealthAsync();
        }

        return false;
    }

    /// <summary>
    /// Runs the commands of every role on its connection: a server that is full, has become a replica or lacks a right answers
    /// a PING all the same.
    /// </summary>
    private async Task ProbeAsync(CircuitProbe probe)
    {
        string? failure = null;
        try
        {
            await Task.WhenAll(Roles.Select(RunProbeAsync)).WaitAsync(_options.ProbeTimeout, _clock);
        }
        catch (Exception error)
        {
            failure = RedisFailures.Reason(error);
            _lastError = new(failure, _clock.GetUtcNow());
            Suspect(error);
        }

        _breaker.Probed(probe, _time.GetTimestamp(), failure);
    }

    /// <summary>
    /// Connects and runs each script once. The first calls of a process load the code of the driver, and of the embedded Redis, which
    /// takes longer than a call may; so they are not counted.
    /// </summary>
    private async Task ConnectAsync()
    {
        try
        {
            await Task.WhenAll(Roles.Select(RunProbeAsync)).WaitAsync(ConnectLimit, _clock);
        }
        catch (Exception)
        {
            // Calls and probes will find the same, and count it.
        }
    }

    private Task<RedisResult> RunProbeAsync(RedisRole role) => _connections[role].CallAsync(
        (_keyPrefix, role), static (redis, probe) => RedisProbe.RunAsync(redis, probe._keyPrefix, probe.role));

    private async Task AskHealthAsync()
    {
        try
        {
            _health = await CallAsync(Roles[0], _clock, static async (redis, clock) =>
            {
                try
                {
                    return await RedisInfo.ReadAsync(redis, clock);
                }
                catch (RedisServerException)
                {
                    // The right to ask may be missing, and nothing else needs it.
                    return null;
                }
            }) ?? _health;
        }
        catch (Exception error)
        {
            // Not worth more: what matters is seen by the calls that matter.
            LogNoHealth(_logger, Address, error.Message);
        }
    }

    [LoggerMessage(Message = "Redis at {Address} ({Roles}): circuit {From} -> {To}: {Reason}")]
    private static partial void LogChanged(
        ILogger logger, LogLevel level, string address, string roles, BreakerState from, BreakerState to, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Redis at {Address} ({Roles}) answered a call with an error: {Reason}. The call went on as if Redis were away; further errors of this kind are not logged for a minute")]
    private static partial void LogWrongCall(ILogger logger, string address, string roles, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Redis at {Address} did not tell its health: {Reason}")]
    private static partial void LogNoHealth(ILogger logger, string address, string reason);
}
