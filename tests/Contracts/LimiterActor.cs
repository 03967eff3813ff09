using Actors.RateLimiting;

namespace Actors.Contracts;

/// <summary>
/// A limiter in its grain's place: its turns run one at a time on a separate scheduler. Several over one log act as duplicate
/// activations.
/// </summary>
internal sealed class LimiterActor : ILimiterHost
{
    private readonly TaskScheduler _turns = new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler;

    // Changed only in turns.
    private int _wakings;

    public LimiterActor(string client, RedisGrantLogStore logs, LimiterCounters counters, RateLimitPolicy policy, double reservedShare)
    {
        Logs = logs;
        Counters = counters;
        Limiter = new Limiter(client, policy, logs, counters, new() { MaxWaiting = 100, ReservedShare = reservedShare }, this);
    }

    public RedisGrantLogStore Logs { get; }

    public LimiterCounters Counters { get; }

    public Limiter Limiter { get; }

    /// <summary>How often this activation was fenced.</summary>
    public int FencedCount { get; private set; }

    /// <summary>How often an operation failed without an outage.</summary>
    public int FailedCount { get; private set; }

    public async Task<RateLimitDecision> AcquireAsync(int permits = 1, string? name = null, TimeSpan maxWait = default, CancellationToken cancellationToken = default) =>
        (await RunAsync(() => Limiter.AcquireAsync(1, permits, name, maxWait, cancellationToken)))[0];

    /// <summary>Runs an operation in a turn.</summary>
    public Task<T> RunAsync<T>(Func<Task<T>> turn) =>
        Task.Factory.StartNew(turn, CancellationToken.None, TaskCreationOptions.None, _turns).Unwrap();

    /// <inheritdoc cref="RunAsync{T}"/>
    public Task RunAsync(Func<Task> turn) =>
        Task.Factory.StartNew(turn, CancellationToken.None, TaskCreationOptions.None, _turns).Unwrap();

    void ILimiterHost.WakeAfter(string policy, TimeSpan due)
    {
        var waking = ++_wakings;
        _ = Task.Delay(due).ContinueWith(
            _ =>
            {
                if (waking == _wakings) Limiter.Wake();
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            _turns);
    }

    void ILimiterHost.Fenced() => FencedCount++;

    void ILimiterHost.Failed(Exception error) => FailedCount++;

    void ILimiterHost.AddBytes(long more) => Counters.AddBytes(more);

    void ILimiterHost.OnUnsynced(TimeSpan longest)
    {
    }

    void ILimiterHost.AskToLeave()
    {
    }
}
