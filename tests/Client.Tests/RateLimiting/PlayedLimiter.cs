using System.Threading.Channels;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>A limiter controlled by a test: the test reads its requests and supplies the responses.</summary>
internal sealed class PlayedLimiter : IRateLimiterGrain
{
    private readonly Channel<PlayedWait> _waits = Channel.CreateUnbounded<PlayedWait>();
    private readonly Channel<RateLimitRequest[]> _asked = Channel.CreateUnbounded<RateLimitRequest[]>();
    private readonly Channel<string> _refunds = Channel.CreateUnbounded<string>();
    private readonly Channel<UnusedGrant[]> _unused = Channel.CreateUnbounded<UnusedGrant[]>();

    /// <summary>Responds to calls that do not wait. Default: grants all.</summary>
    public Func<RateLimitRequest[], Task<RateLimitDecision[]>> Acquire { get; set; } =
        requests => Task.FromResult(requests.Select(PlayedGrain.Granted).ToArray());

    /// <summary>The number of probes.</summary>
    public int Probes { get; private set; }

    /// <summary>Returns the next waiting call.</summary>
    public async Task<PlayedWait> NextWaitAsync() => await _waits.Reader.ReadAsync();

    /// <summary>Returns the next call that does not wait.</summary>
    public async Task<RateLimitRequest[]> NextAskedAsync() => await _asked.Reader.ReadAsync();

    /// <summary>Returns the request id of the next refund.</summary>
    public async Task<string> NextRefundAsync() => await _refunds.Reader.ReadAsync();

    /// <summary>Returns the next refunded grants.</summary>
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

/// <summary>A waiting call that the test answers.</summary>
internal sealed record PlayedWait(RateLimitRequest Request, CancellationToken Cancelled)
{
    public TaskCompletionSource<RateLimitDecision> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
