using Actors.Core;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// Watches one Redis, also without traffic: connects to it, notices stalls, probes it while the circuit is broken, and asks for its
/// health.
/// </summary>
internal sealed partial class CircuitWatch : IAsyncDisposable
{
    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(2);

    private readonly CircuitCalls _calls;
    private readonly RoleConnections _connections;
    private readonly CircuitBreaker _breaker;
    private readonly CircuitHistory _history;
    private readonly BreakerOptions _options;
    private readonly TimeProvider _clock;

    // The clock of the breaker.
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly BackgroundLoop _loop;
    private readonly Task _watching;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Started by the loop, one of each at a time, and awaited on dispose. Neither throws.
    private Task _probing = Task.CompletedTask;
    private Task _asking = Task.CompletedTask;

    // Published as a whole by the latest writer.
    private volatile RedisHealth? _health;

    public CircuitWatch(
        CircuitCalls calls, RoleConnections connections, CircuitBreaker breaker, CircuitHistory history, BreakerOptions options, TimeProvider clock,
        ILogger logger, BackgroundLoops loops)
    {
        (_calls, _connections, _breaker, _history, _options, _clock, _logger) = (calls, connections, breaker, history, options, clock, logger);
        _time = CoarseClock.Of(clock);
        _loop = new BackgroundLoop($"Watching Redis at {connections.Address} ({connections.RoleNames})", loops, clock, logger);
        _watching = Task.Run(() => _loop.RunAsync(WatchAsync, _stop.Token));
    }

    /// <inheritdoc cref="RedisCircuit.Connected"/>
    public Task Connected => _connected.Task;

    /// <summary>The last health report of Redis; null before the first one.</summary>
    public RedisHealth? Health => _health;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _connected.TrySetResult();

        // Both have time limits.
        await Task.WhenAll(_probing, _asking);
        _stop.Dispose();
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
            _calls.Look(now);

            // The order matters: a call answered in between makes Redis look less silent, not more.
            var (phase, asked, answered) = (_breaker.Phase, _calls.Asked, _calls.Answered);
            if (silence.IsSilent(asked - answered, answered, now)) _breaker.Silent(phase, now);

            // A probe from before the last change may still be in flight.
            if (_breaker.TryProbe(now, out var probe)) _probing = Task.WhenAll(_probing, ProbeAsync(probe));
            _loop.Succeeded();
            if (now < healthDue || !_asking.IsCompleted || _breaker.State != BreakerState.Closed) continue;
            healthDue = now + (long)(HealthInterval.TotalSeconds * _time.TimestampFrequency);
            _asking = AskHealthAsync();
        }

        return false;
    }

    private async Task ProbeAsync(CircuitProbe probe)
    {
        string? failure = null;
        try
        {
            await _connections.ProbeAsync().WaitAsync(_options.ProbeTimeout, _clock);
        }
        catch (Exception error)
        {
            failure = RedisFailures.Reason(error);
            _history.Failed(failure);
            _connections.Suspect(error);
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
            await _connections.ProbeAsync().WaitAsync(ConnectLimit, _clock);
        }
        catch (Exception)
        {
            // Calls and probes will find the same, and count it.
        }
    }

    private async Task AskHealthAsync()
    {
        try
        {
            _health = await _calls.CallAsync(_connections.Roles[0], _clock, static async (redis, clock) =>
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
            LogNoHealth(_logger, _connections.Address, error.Message);
        }
    }

    [LoggerMessage(EventId = 1106, Level = LogLevel.Debug, Message = "Redis at {Address} did not report its health: {Reason}")]
    private static partial void LogNoHealth(ILogger logger, string address, string reason);
}
