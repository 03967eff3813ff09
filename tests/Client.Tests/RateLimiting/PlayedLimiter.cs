using System.Threading.Channels;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>A limiter in the hands of a test: what is asked of it is there to be read, and answered as the test says.</summary>
internal sealed class PlayedLimiter : IRateLimiterGrain
{
    private readonly Channel<PlayedWait> _waits = Channel.CreateUnbounded<PlayedWait>();
    private readonly Channel<RateLimitRequest[]> _asked = Channel.CreateUnbounded<RateLimitRequest[]>();
    private readonly Channel<string> _refunds = Channel.CreateUnbounded<string>();
    private readonly Channel<UnusedGrant[]> _unused = Channel.CreateUnbounded<UnusedGrant[]>();

    /// <summary>How calls that do not wait are answered. Default: all granted.</summary>
    public Func<RateLimitRequest[], Task<RateLimitDecision[]>> Acquire { get; set; } =
        requests => Task.FromResult(requests.Select(PlayedGrain.Granted).ToArray());

    /// <summary>How often it was asked whether it answers.</summary>
    public int Probes { get; private set; }

    /// <summary>The next call that waits.</summary>
    public async Task<PlayedWait> NextWaitAsync() => await _waits.Reader.ReadAsync();

    /// <summary>The next call that does not wait.</summary>
    public async Task<RateLimitRequest[]> NextAskedAsync() => await _asked.Reader.ReadAsync();

    /// <summary>The next request id that is refunded.</summary>
    public async Task<string> NextRefundAsync() => await _refunds.Reader.ReadAsync();

    /// <summary>The next grants that are given back.</summary>
    public async Task<UnusedGrant[]> NextUnusedAsync() => await _unused.Reader.ReadAsync();

    public Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken = default)
    {
        var wait = new PlayedWait(request, cancellationToken);
        _waits.Writer.TryWrite(wait);
        return wait.Answer.Task;
    }

    public Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken = default)
    {
        _asked.Writer.TryWrite(requests);
        return Acquire(requests);
    }

    public async Task<RateLimitDecision> PeekAsync(
        string policy = RateLimits.DefaultPolicy, int permits = 1, CancellationToken cancellationToken = default)
    {
        Probes++;
        return (await Acquire([new() { Policy = policy }]))[0];
    }

    public Task<int> RefundAsync(string requestId, CancellationToken cancellationToken = default)
    {
        _refunds.Writer.TryWrite(requestId);
        return Task.FromResult(1);
    }

    public Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken = default)
    {
        _unused.Writer.TryWrite(grants);
        return Task.FromResult(grants.Length);
    }

    public Task ResetAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task SetPolicyAsync(RateLimitPolicy policy, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<RateLimitPolicy> GetPolicyAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();
}

/// <summary>A call that waits, to be answered by the test.</summary>
internal sealed record PlayedWait(RateLimitRequest Request, CancellationToken Cancelled)
{
    public TaskCompletionSource<RateLimitDecision> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
