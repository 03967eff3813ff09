using Actors.Core;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>A period in which all calls went to Redis over one connection. Equal values mean the same period.</summary>
internal readonly record struct ClosedSpan(CircuitPhase Phase, long Reconnects);

/// <summary>
/// The access to one Redis: a breaker, a connection per role that uses this Redis, and call statistics. Its own loop notices
/// stalls and probes Redis, also without traffic.
/// </summary>
internal sealed partial class RedisCircuit : IAsyncDisposable
{
    private const int KeptTransitions = 50;

    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(10);

    // Twice the longest interval between two looks.
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WrongCallsEvery = TimeSpan.FromMinutes(1);

    private readonly BreakerOptions _options;
    private readonly TimeProvider _clock;

    // The clock of the breaker. Latencies use the precise clock.
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

    // Started by the loop, one of each at a time, and awaited on dispose. Neither throws.
    private Task _probing = Task.CompletedTask;
    private Task _asking = Task.CompletedTask;

    // The last transitions, newest last, guarded by their own lock. The breaker adds to it under its lock; no call goes back.
    private readonly Queue<BreakerTransition> _transitions = new();

    // Counters of all threads, interlocked.
    private long _asked;
    private long _answered;
    private long _failures;
    private long _breaks;

    // Published as a whole by the latest writer.
    private volatile LastError? _lastError;
    private volatile RedisHealth? _health;

    // When an erroneous call was last logged; 0 for never. Interlocked.
    private long _wrongCallLogged;

    public RedisCircuit(
        RedisOptions redis, IReadOnlyList<RedisRole> roles, BreakerOptions options, TimeProvider clock, ILogger logger, BackgroundLoops loops)
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

    /// <summary>Completes once the connections of all roles were tried. An unavailable Redis is not an error.</summary>
    public Task Connected => _connected.Task;

    /// <summary>The address of this Redis, without secrets.</summary>
    public string Address { get; }

    /// <summary>The roles that use this Redis.</summary>
    public IReadOnlyList<RedisRole> Roles { get; }

    public BreakerState State => _breaker.State;

    /// <summary>
    /// The current phase and connection of <paramref name="role"/> while all calls go to Redis, otherwise null. Another phase
    /// or connection may lead to another server, or to one that lost its latest writes.
    /// </summary>
    public ClosedSpan? Closed(RedisRole role) => _breaker.Phase is { Step: CircuitStep.Closed } closed
        ? new ClosedSpan(closed, Reconnects(role))
        : null;

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects(RedisRole role) => _connections[role].Reconnects;

    /// <summary>How often the circuit was opened or isolated.</summary>
    public long Breaks => Volatile.Read(ref _breaks);

    public long Calls => Volatile.Read(ref _asked);

    public long Failures => Volatile.Read(ref _failures);

    public long Rejected => _breaker.Rejected;

    public LatencySnapshot Latency => _latency.Snapshot();

    public RedisHealth? Health => _health;

    /// <summary>Makes a call if the circuit allows it, and waits for the answer at most the time limit of a call.</summary>
    /// <param name="role">The role whose connection is used.</param>
    /// <param name="state">The argument of the call.</param>
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

            // A waiting call is neither rejected again nor counted.
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

            // A call cancelled by the opening circuit has no reason of its own.
            if (error is not OperationCanceledException) _lastError = new(RedisFailures.Reason(error), _clock.GetUtcNow());
            if (RedisFailures.IsStructural(error)) _breaker.Unusable(permit, now, RedisFailures.Reason(error));
            else if (error is not TimeoutException || !_pauses.Within(began, now)) _breaker.Failed(permit, now, RedisFailures.Reason(error));
            Suspect(error);
            throw RedisFailures.Unavailable(role, error);
        }
        catch (RedisServerException error)
        {
            // Redis is available, but the call was wrong or the key has another type. The caller continues without Redis.
            Answered(permit, began);
            LogWrongCall(error);
            throw RedisFailures.Unavailable(role, error);
        }
        finally
        {
            Interlocked.Increment(ref _answered);
        }
    }

    /// <summary>
    /// True if Redis has been unavailable for this long, or is isolated, because an isolated circuit does not close by itself.
    /// </summary>
    public bool IsAway(TimeSpan duration) => IsAway(_breaker.Phase, duration, _time.GetTimestamp());

    public void Isolate(string reason) => _breaker.Isolate(_time.GetTimestamp(), reason);

    public void Close(string reason) => _breaker.Close(_time.GetTimestamp(), reason);

    /// <summary>
    /// The driver's connection of <paramref name="role"/>, bypassing the circuit. For providers that accept only a connection.
    /// </summary>
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
        _connected.TrySetResult();

        // Both have time limits.
        await Task.WhenAll(_probing, _asking);
        foreach (var connection in _connections.Values) await connection.DisposeAsync();
        _stop.Dispose();
    }

    private void Answered(CircuitPhase permit, long began)
    {
        // If this process was delayed, a slow answer does not show a problem of Redis. On a busy machine, for instance during a
        // silo start, giving up Redis would make things worse.
        var now = _time.GetTimestamp();
        var isSlow = now - began >= _breaker.Slow && !_delays.Within(began, now);
        if (isSlow) Interlocked.Increment(ref _failures);
        _breaker.Answered(permit, isSlow ? began : now, now);
    }

    // The ramp ends soon, with success or failure.
    private bool IsAway(CircuitPhase phase, TimeSpan duration, long now) => phase.Step switch
    {
        CircuitStep.Closed or CircuitStep.Ramping => false,
        CircuitStep.Isolated => true,
        _ => _time.GetElapsedTime(phase.AwaySince, now) >= duration,
    };

    // A wrong key may be used many times a second, so these logs are limited.
    private void LogWrongCall(Exception error)
    {
        var (last, now) = (Volatile.Read(ref _wrongCallLogged), _time.GetTimestamp());
        if (last != 0 && _time.GetElapsedTime(last, now) < WrongCallsEvery) return;
        if (Interlocked.CompareExchange(ref _wrongCallLogged, now, last) == last) LogWrongCall(_logger, Address, _roles, RedisFailures.Reason(error));
    }

    // The connections of all roles have the same address, so a finding about the server applies to all of them.
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

        // Warn when the circuit opens and inform when it closes. The attempts in between are logged at Debug.
        var level = to == BreakerState.Closed ? LogLevel.Information
            : from == BreakerState.Closed || to == BreakerState.Isolated ? LogLevel.Warning
            : LogLevel.Debug;
        LogChanged(_logger, level, Address, _roles, from, to, reason);
    }

    /// <summary>One pass runs until something fails.</summary>
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

            // The order matters: a call answered in between makes Redis look less silent, not more.
            var (phase, asked, answered) = (_breaker.Phase, Volatile.Read(ref _asked), Volatile.Read(ref _answered));
            if (silence.IsSilent(asked - answered, answered, now)) _breaker.Silent(phase, now);

            // A probe from before the last change may still be in flight.
            if (_breaker.TryProbe(now, out var probe)) _probing = Task.WhenAll(_probing, ProbeAsync(probe));
            _loop.Succeeded();
            if (now < healthDue || !_asking.IsCompleted || State != BreakerState.Closed) continue;
            healthDue = now + (long)(HealthInterval.TotalSeconds * _time.TimestampFrequency);
            _asking = AskHealthAsync();
        }

        return false;
    }

    /// <summary>
    /// Runs the commands of every role on its connection. A full server, a replica or a server that lacks a right still answers
    /// a PING.
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
                    // The right to run INFO may be missing. Nothing else needs it.
                    return null;
                }
            }) ?? _health;
        }
        catch (Exception error)
        {
            // Debug suffices: failures that matter show up in the calls that matter.
            LogNoHealth(_logger, Address, error.Message);
        }
    }

    [LoggerMessage(EventId = 1104, Message = "Redis at {Address} ({Roles}): circuit {From} -> {To}: {Reason}")]
    private static partial void LogChanged(
        ILogger logger, LogLevel level, string address, string roles, BreakerState from, BreakerState to, string reason);

    [LoggerMessage(EventId = 1105, Level = LogLevel.Error, Message =
        "Redis at {Address} ({Roles}) answered a call with an error: {Reason}. " +
        "The call was handled as if Redis were unavailable; further errors of this kind are not logged for a minute")]
    private static partial void LogWrongCall(ILogger logger, string address, string roles, string reason);

    [LoggerMessage(EventId = 1106, Level = LogLevel.Debug, Message = "Redis at {Address} did not report its health: {Reason}")]
    private static partial void LogNoHealth(ILogger logger, string address, string reason);
}
