using Actors.Core;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>A period in which all calls went to Redis over one connection. Equal values mean the same period.</summary>
internal readonly record struct ClosedSpan(CircuitPhase Phase, long Reconnects);

/// <summary>
/// The access to one Redis: a breaker, a connection per role that uses this Redis, the calls through them, and the loop that watches
/// Redis.
/// </summary>
internal sealed class RedisCircuit : IAsyncDisposable
{
    private readonly TimeProvider _clock;

    // The clock of the breaker.
    private readonly TimeProvider _time;
    private readonly CircuitBreaker _breaker;
    private readonly CircuitHistory _history;
    private readonly RoleConnections _connections;
    private readonly CircuitCalls _calls;
    private readonly CircuitWatch _watch;

    public RedisCircuit(
        RedisOptions redis, IReadOnlyList<RedisRole> roles, BreakerOptions options, TimeProvider clock, ILogger logger, BackgroundLoops loops)
    {
        logger = new SafeLogger(logger);
        _clock = clock;
        _time = CoarseClock.Of(clock);

        // Connections are made on first use; by then the breaker exists.
        _connections = new RoleConnections(redis, roles, logger, () => _breaker!.Reconnected(_time.GetTimestamp()));
        _history = new CircuitHistory(_connections.Address, _connections.RoleNames, clock, logger);
        _breaker = new CircuitBreaker(options, _time.TimestampFrequency, _time.GetTimestamp(), _history.Changed);
        _calls = new CircuitCalls(_connections, _breaker, _history, options, clock, logger);
        _watch = new CircuitWatch(_calls, _connections, _breaker, _history, options, clock, logger, loops);
    }

    /// <summary>Completes once the connections of all roles were tried. An unavailable Redis is not an error.</summary>
    public Task Connected => _watch.Connected;

    /// <inheritdoc cref="RoleConnections.Address"/>
    public string Address => _connections.Address;

    /// <inheritdoc cref="RoleConnections.Roles"/>
    public IReadOnlyList<RedisRole> Roles => _connections.Roles;

    public BreakerState State => _breaker.State;

    /// <inheritdoc cref="CircuitHistory.Breaks"/>
    public long Breaks => _history.Breaks;

    /// <inheritdoc cref="CircuitCalls.Asked"/>
    public long Calls => _calls.Asked;

    /// <inheritdoc cref="CircuitCalls.Failures"/>
    public long Failures => _calls.Failures;

    public long Rejected => _breaker.Rejected;

    public LatencySnapshot Latency => _calls.Latency;

    /// <inheritdoc cref="CircuitWatch.Health"/>
    public RedisHealth? Health => _watch.Health;

    /// <summary>
    /// The current phase and connection of <paramref name="role"/> while all calls go to Redis, otherwise null. Another phase
    /// or connection may lead to another server, or to one that lost its latest writes.
    /// </summary>
    public ClosedSpan? Closed(RedisRole role) => _breaker.Phase is { Step: CircuitStep.Closed } closed
        ? new ClosedSpan(closed, Reconnects(role))
        : null;

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects(RedisRole role) => _connections.Reconnects(role);

    /// <summary>Makes a call if the circuit allows it, and waits for the answer at most the time limit of a call.</summary>
    /// <param name="role">The role whose connection is used.</param>
    /// <param name="state">The argument of the call.</param>
    /// <param name="call">The call.</param>
    /// <param name="patience">See <see cref="RedisGateway.EvaluateAsync"/>.</param>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public Task<T> CallAsync<TState, T>(RedisRole role, TState state, Func<IDatabase, TState, Task<T>> call, TimeSpan? patience = null) =>
        _calls.CallAsync(role, state, call, patience);

    /// <summary>
    /// True if Redis has been unavailable for this long, or is isolated, because an isolated circuit does not close by itself.
    /// </summary>
    public bool IsAway(TimeSpan duration) => _calls.IsAway(duration);

    public void Isolate(string reason) => _breaker.Isolate(_time.GetTimestamp(), reason);

    public void Close(string reason) => _breaker.Close(_time.GetTimestamp(), reason);

    /// <summary>
    /// The driver's connection of <paramref name="role"/>, bypassing the circuit. For providers that accept only a connection.
    /// </summary>
    public Task<IConnectionMultiplexer> OpenAsync(RedisRole role) => _connections.OpenAsync(role);

    public CircuitSnapshot Snapshot()
    {
        var now = _time.GetTimestamp();
        var (phase, nextProbe) = _breaker.Standing;
        var lastError = _history.LastError;
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
            Transitions = _history.Transitions(),
            Calls = Calls,
            Failures = Failures,
            Rejected = Rejected,
            Health = Health,
        };

        DateTimeOffset At(long timestamp) => _clock.GetUtcNow() - _time.GetElapsedTime(timestamp, now);
    }

    public async ValueTask DisposeAsync()
    {
        await _watch.DisposeAsync();
        await _connections.DisposeAsync();
    }
}
