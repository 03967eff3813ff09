using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.Redis;

/// <summary>The history of a circuit: its last transitions, how often it broke, and the last error. Any thread adds and reads.</summary>
/// <param name="address">The address of the Redis, for logs.</param>
/// <param name="roles">The roles that use it, for logs.</param>
/// <param name="clock">The clock for the times.</param>
/// <param name="logger">The logger for the transitions.</param>
internal sealed partial class CircuitHistory(string address, string roles, TimeProvider clock, ILogger logger)
{
    private const int KeptTransitions = 50;

    // The last transitions, newest last, guarded by their own lock. The breaker adds to it under its lock; no call goes back.
    private readonly Queue<BreakerTransition> _transitions = new();

    // Interlocked; any thread.
    private long _breaks;

    // Published as a whole by the latest writer.
    private volatile LastError? _lastError;

    /// <summary>How often the circuit was opened or isolated.</summary>
    public long Breaks => Volatile.Read(ref _breaks);

    /// <summary>The last failure of a call or a probe, or the reason of the last break if that is later.</summary>
    public LastError? LastError => _lastError;

    public BreakerTransition[] Transitions()
    {
        lock (_transitions) return [.. _transitions];
    }

    public void Failed(string reason) => _lastError = new(reason, clock.GetUtcNow());

    public void Changed(BreakerState from, BreakerState to, string reason)
    {
        if (to is BreakerState.Open or BreakerState.Isolated)
        {
            Interlocked.Increment(ref _breaks);
            Failed(reason);
        }

        lock (_transitions)
        {
            if (_transitions.Count == KeptTransitions) _transitions.Dequeue();
            _transitions.Enqueue(new() { At = clock.GetUtcNow(), From = from, To = to, Reason = reason });
        }

        // Warn when the circuit opens and inform when it closes. The attempts in between are logged at Debug.
        var level = to == BreakerState.Closed ? LogLevel.Information
            : from == BreakerState.Closed || to == BreakerState.Isolated ? LogLevel.Warning
            : LogLevel.Debug;
        LogChanged(logger, level, address, roles, from, to, reason);
    }

    [LoggerMessage(EventId = 1104, Message = "Redis at {Address} ({Roles}): circuit {From} -> {To}: {Reason}")]
    private static partial void LogChanged(
        ILogger logger, LogLevel level, string address, string roles, BreakerState from, BreakerState to, string reason);
}
