using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.Redis;

/// <summary>
/// Reads the time of Redis for <see cref="ClusterClock"/> and compares this machine's clock with it and with others, at the
/// start and while the silo runs. No guarantee depends on this machine's clock, but logs, dates and Orleans do.
/// </summary>
internal sealed partial class ClockWatch(
    RedisGateway redis, ClusterClock cluster, IEnumerable<IReferenceClock> others, IOptions<ClockOptions> options, TimeProvider time,
    ILogger<ClockWatch> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AskLimit = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    // Published as a whole by the checking task.
    private volatile IReadOnlyList<ClockSkew> _skews = [];
    private volatile string? _problem;

    // Used by the checking task only: first the start, then the loop.
    private long _lastReported;
    private string? _reportedUnreadable;

    /// <summary>The latest differences, one per other clock.</summary>
    public IReadOnlyList<ClockSkew> Skews => _skews;

    /// <summary>A line that names the clock that exceeds the limit; null if there is none.</summary>
    public string? Problem => _problem;

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(ClockWatch), ServiceLifecycleStage.RuntimeStorageServices - 1, StartAsync, _ => StopAsync());

    // Also runs after a failed start, when StopAsync is not called. The source is only cancelled because the loop may still use
    // it.
    public void Dispose() => _stop.Cancel();

    /// <summary>Checks the clocks once and starts checking in the background.</summary>
    /// <exception cref="ClockSkewException">This machine's clock is off by more than the limit.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await redis.ConnectAsync();
        var verdict = await LookAsync(cancellationToken);
        if (verdict is { IsOwnOff: true, Problem: { } problem }) throw new ClockSkewException(problem);
        Report(_skews, verdict);
        _watching = Task.Run(WatchAsync, CancellationToken.None);
    }

    /// <summary>Stops checking.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _watching;
    }

    /// <summary>Checks the clocks once.</summary>
    public async Task<ClockVerdict> LookAsync(CancellationToken cancellationToken)
    {
        var skews = new List<ClockSkew>();
        string? unreadable = null;
        try
        {
            skews.Add(await AskRedisAsync());
        }
        catch (RedisUnavailableException)
        {
            // The cluster clock continues from the last known time.
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            unreadable = $"Redis: {error.Message}";
        }

        foreach (var other in others)
        {
            try
            {
                var sent = time.GetTimestamp();
                var there = await other.NowAsync(cancellationToken).WaitAsync(AskLimit, cancellationToken);
                skews.Add(SkewOf(other.Name, there, time.GetElapsedTime(sent)));
            }
            catch (Exception error) when (error is StorageUnavailableException or TimeoutException)
            {
                // Other components detect and report the outage.
            }
            catch (Exception error) when (!cancellationToken.IsCancellationRequested)
            {
                unreadable ??= $"{other.Name}: {error.Message}";
            }
        }

        // A clock that cannot be read must not prevent the start; the right to read it may be missing. Logged once per reason.
        if (unreadable is not null && unreadable != _reportedUnreadable) LogUnreadable(logger, unreadable);
        _reportedUnreadable = unreadable;

        var verdict = ClockVerdict.Of(skews, options.Value.MaxSkew);
        (_skews, _problem) = (skews, verdict.Problem);
        return verdict;
    }

    private async Task<ClockSkew> AskRedisAsync()
    {
        const string Time = "return redis.call('TIME')";
        var sent = time.GetTimestamp();
        var answer = (StackExchange.Redis.RedisResult[])(await redis.EvaluateAsync(RedisRole.Journal, Time, [], []))!;
        var received = time.GetTimestamp();
        var there = DateTimeOffset.FromUnixTimeSeconds((long)answer[0]) + TimeSpan.FromMicroseconds((long)answer[1]);
        cluster.Observe(there, sent, received);
        var address = redis.Circuits.First(circuit => circuit.Roles.Contains(RedisRole.Journal)).Address;
        return SkewOf($"Redis at {address}", there, time.GetElapsedTime(sent, received));
    }

    private ClockSkew SkewOf(string name, DateTimeOffset there, TimeSpan taken) =>
        new(name, time.GetUtcNow() - (there + (taken / 2)), taken / 2);

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(cluster.IsKnown ? LookEvery : RetryAfter, time, _stop.Token);
                try
                {
                    var verdict = await LookAsync(_stop.Token);
                    Report(_skews, verdict);
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    LogFailed(logger, error);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private void Report(IReadOnlyList<ClockSkew> skews, ClockVerdict verdict)
    {
        var text = verdict.Problem ?? string.Join(" and ", skews.Where(skew => skew.AtLeast > ClusterClock.Tolerance));
        if (text.Length == 0)
        {
            _lastReported = 0;
            return;
        }

        if (_lastReported != 0 && time.GetElapsedTime(_lastReported) < LogEvery) return;
        _lastReported = time.GetTimestamp();
        if (verdict.Problem is not null) LogOff(logger, text);
        else LogSkewed(logger, text);
    }

    [LoggerMessage(EventId = 1100, Level = LogLevel.Warning, Message =
        "This machine's clock is {Skew}. No guarantee depends on it, but dates in logs do: set the clock, preferably with NTP")]
    private static partial void LogSkewed(ILogger logger, string skew);

    [LoggerMessage(EventId = 1101, Level = LogLevel.Error, Message = "{Problem}")]
    private static partial void LogOff(ILogger logger, string problem);

    [LoggerMessage(EventId = 1102, Level = LogLevel.Warning, Message = "A clock cannot be read and is ignored: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string reason);

    [LoggerMessage(EventId = 1103, Level = LogLevel.Warning, Message = "The clocks could not be compared; retrying")]
    private static partial void LogFailed(ILogger logger, Exception error);
}
