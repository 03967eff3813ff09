using Actors.Core;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// The calls to one Redis. Each passes the breaker, has a time limit, is counted and tells the breaker how it ended. Any thread
/// calls.
/// </summary>
internal sealed partial class CircuitCalls
{
    // Twice the longest interval between two looks.
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WrongCallsEvery = TimeSpan.FromMinutes(1);

    private readonly RoleConnections _connections;
    private readonly CircuitBreaker _breaker;
    private readonly CircuitHistory _history;
    private readonly BreakerOptions _options;
    private readonly TimeProvider _clock;

    // The clock of the breaker. Latencies use the precise clock.
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly LatencyWindow _latency;
    private readonly ProcessPauseDetector _pauses;
    private readonly ProcessPauseDetector _delays;

    // A wrong key may be used many times a second.
    private readonly LogThrottle _wrongCallLog;

    // Counters of all threads, interlocked.
    private long _asked;
    private long _answered;
    private long _failures;

    public CircuitCalls(
        RoleConnections connections, CircuitBreaker breaker, CircuitHistory history, BreakerOptions options, TimeProvider clock, ILogger logger)
    {
        (_connections, _breaker, _history, _options, _clock, _logger) = (connections, breaker, history, options, clock, logger);
        _time = CoarseClock.Of(clock);
        _latency = new LatencyWindow(clock);
        _pauses = new ProcessPauseDetector(_time, options.CallTimeout / 2);
        _delays = new ProcessPauseDetector(_time, options.SlowCallDuration / 2 > LeastDelay ? options.SlowCallDuration / 2 : LeastDelay);
        _wrongCallLog = new LogThrottle(WrongCallsEvery, _time);
    }

    /// <summary>Calls made so far.</summary>
    public long Asked => Volatile.Read(ref _asked);

    /// <summary>Calls that have ended, with success or failure.</summary>
    public long Answered => Volatile.Read(ref _answered);

    /// <summary>Calls that failed or were slow.</summary>
    public long Failures => Volatile.Read(ref _failures);

    public LatencySnapshot Latency => _latency.Snapshot();

    /// <inheritdoc cref="RedisCircuit.CallAsync"/>
    public async Task<T> CallAsync<TState, T>(RedisRole role, TState state, Func<IDatabase, TState, Task<T>> call, TimeSpan? patience = null)
    {
        var began = _time.GetTimestamp();
        CircuitPhase permit;
        while (!_breaker.TryEnter(began, out permit))
        {
            if (patience is not { } longest || IsAway(permit, longest, began))
                throw new RedisUnavailableException(role, $"its circuit is {permit.State}: {_history.LastError?.Reason}", mayHaveHappened: false);

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
            var answer = await _connections.CallAsync(role, state, call).WaitAsync(_options.CallTimeout, _clock, permit.Broken);
            var received = _clock.GetTimestamp();
            _latency.Record(_clock.GetElapsedTime(sent, received), received);
            Served(permit, began);
            return answer;
        }
        catch (Exception error) when (RedisFailures.IsUnavailability(error))
        {
            Interlocked.Increment(ref _failures);
            var now = _time.GetTimestamp();

            // A call cancelled by the opening circuit has no reason of its own.
            if (error is not OperationCanceledException) _history.Failed(RedisFailures.Reason(error));
            if (RedisFailures.IsStructural(error)) _breaker.Unusable(permit, now, RedisFailures.Reason(error));
            else if (error is not TimeoutException || !_pauses.Within(began, now)) _breaker.Failed(permit, now, RedisFailures.Reason(error));
            _connections.Suspect(error);
            throw RedisFailures.Unavailable(role, error);
        }
        catch (RedisServerException error)
        {
            // Redis is available, but the call was wrong or the key has another type. The caller continues without Redis.
            Served(permit, began);
            if (_wrongCallLog.IsDue()) LogWrongCall(_logger, _connections.Address, _connections.RoleNames, RedisFailures.Reason(error));
            throw RedisFailures.Unavailable(role, error);
        }
        finally
        {
            Interlocked.Increment(ref _answered);
        }
    }

    /// <inheritdoc cref="RedisCircuit.IsAway(TimeSpan)"/>
    public bool IsAway(TimeSpan duration) => IsAway(_breaker.Phase, duration, _time.GetTimestamp());

    /// <summary>Notices pauses of this process. Called repeatedly by one loop.</summary>
    public void Look(long now)
    {
        _pauses.Look(now);
        _delays.Look(now);
    }

    private void Served(CircuitPhase permit, long began)
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

    [LoggerMessage(EventId = 1105, Level = LogLevel.Error, Message =
        "Redis at {Address} ({Roles}) answered a call with an error: {Reason}. " +
        "The call was handled as if Redis were unavailable; further errors of this kind are not logged for a minute")]
    private static partial void LogWrongCall(ILogger logger, string address, string roles, string reason);
}
