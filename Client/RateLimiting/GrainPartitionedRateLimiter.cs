using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// The limiters of many client ids as one <see cref="PartitionedRateLimiter{TResource}"/>. It keeps no state of a client after its
/// calls are answered, however many clients there are. Otherwise like <see cref="GrainRateLimiter"/>.
/// </summary>
/// <param name="client">The client of the cluster.</param>
/// <param name="target">Maps a resource to the client, policy and permits to charge.</param>
/// <param name="options">The options; their policy applies to targets without one.</param>
public sealed class GrainPartitionedRateLimiter<TResource>(
    ActorsClient client, Func<TResource, RateLimitTarget> target, GrainRateLimiterOptions? options = null) : PartitionedRateLimiter<TResource>
{
    private readonly LeaseSource _leases = new(client.RateLimitCalls, options ?? new());
    private readonly RateLimitRequest _one = new() { Policy = options?.Policy ?? RateLimits.DefaultPolicy, MaxWait = options?.MaxWait ?? default };

    // Set once, read by any caller.
    private volatile bool _isDisposed;

    /// <summary>Statistics over all resources; they are not counted individually.</summary>
    public override RateLimiterStatistics GetStatistics(TResource resource) => _leases.Statistics;

    /// <inheritdoc cref="GrainRateLimiter.AttemptAcquireCore"/>
    protected override RateLimitLease AttemptAcquireCore(TResource resource, int permitCount)
    {
        var lease = AcquireAsync(resource, permitCount, TimeSpan.Zero, CancellationToken.None);
        return lease.IsCompleted ? lease.GetAwaiter().GetResult() : lease.AsTask().GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    protected override ValueTask<RateLimitLease> AcquireAsyncCore(TResource resource, int permitCount, CancellationToken cancellationToken) =>
        AcquireAsync(resource, permitCount, _one.MaxWait, cancellationToken);

    /// <summary>Waiting callers get a lease that is not acquired, and give up their places.</summary>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;

        // Also if disposing is false, as DisposeAsync passes it.
        _leases.Dispose();
        base.Dispose(disposing);
    }

    private ValueTask<RateLimitLease> AcquireAsync(TResource resource, int permitCount, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var (clientId, policy, permits) = target(resource);
        RateLimits.ValidateId(clientId);
        var isOne = permits == 1 && permitCount == 1 && maxWait == _one.MaxWait && (policy is null || policy == _one.Policy);
        var request = isOne ? _one : _one with { Policy = policy ?? _one.Policy, Permits = checked(permits * permitCount), MaxWait = maxWait };
        return _leases.AcquireAsync(clientId, request, cancellationToken);
    }
}
