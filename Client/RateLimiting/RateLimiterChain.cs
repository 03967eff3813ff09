using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// Limiters that are called in order and must all grant, like .NET's <c>CreateChained</c>. Here, a call that one of them denies
/// costs nothing in the previous ones: permits of the cluster are refunded. .NET's chain only disposes unused leases, and disposing
/// returns no permits of a window.
/// </summary>
/// <remarks>
/// A refund is a call in the background, so permits may be missing for a moment. Put limiters that hold or queue calls in this
/// process, such as <see cref="ConcurrencyLimiter"/>, before those of the cluster; then nothing needs a refund. Disposing a chain
/// does not dispose its limiters.
/// </remarks>
public static class RateLimiterChain
{
    /// <summary>Chains limiters of resources, in calling order.</summary>
    /// <exception cref="ArgumentException">There are no limiters, or one is null.</exception>
    public static PartitionedRateLimiter<TResource> Create<TResource>(params PartitionedRateLimiter<TResource>[] limiters)
    {
        Check(limiters);
        return new Partitioned<TResource>([.. limiters]);
    }

    /// <summary>Chains limiters, in calling order.</summary>
    /// <exception cref="ArgumentException">There are no limiters, or one is null.</exception>
    public static RateLimiter Create(params RateLimiter[] limiters)
    {
        Check(limiters);
        return new Single([.. limiters]);
    }

    private static void Check<T>(T[] limiters)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(limiters);
        if (limiters.Length == 0 || Array.Exists(limiters, limiter => limiter is null))
            throw new ArgumentException("A chain takes at least one limiter, and none may be null.", nameof(limiters));
    }

    // As in .NET's chain: the available permits of the tightest limiter; the last limiter grants only what all granted.
    private static RateLimiterStatistics? Combined(IEnumerable<RateLimiterStatistics?> statistics)
    {
        var known = statistics.OfType<RateLimiterStatistics>().ToList();
        return known.Count == 0 ? null : new()
        {
            CurrentAvailablePermits = known.Min(each => each.CurrentAvailablePermits),
            CurrentQueuedCount = known.Sum(each => each.CurrentQueuedCount),
            TotalFailedLeases = known.Sum(each => each.TotalFailedLeases),
            TotalSuccessfulLeases = known[^1].TotalSuccessfulLeases,
        };
    }

    private sealed class Partitioned<TResource>(PartitionedRateLimiter<TResource>[] limiters) : PartitionedRateLimiter<TResource>
    {
        public override RateLimiterStatistics? GetStatistics(TResource resource) =>
            Combined(limiters.Select(limiter => limiter.GetStatistics(resource)));

        protected override RateLimitLease AttemptAcquireCore(TResource resource, int permitCount)
        {
            var lease = limiters[0].AttemptAcquire(resource, permitCount);
            foreach (var next in limiters.AsSpan(1)) lease = ChainedLease.Then(lease, () => next.AttemptAcquire(resource, permitCount));
            return lease;
        }

        protected override async ValueTask<RateLimitLease> AcquireAsyncCore(
            TResource resource, int permitCount, CancellationToken cancellationToken)
        {
            var lease = await limiters[0].AcquireAsync(resource, permitCount, cancellationToken).ConfigureAwait(false);
            foreach (var next in limiters.Skip(1))
            {
                lease = await ChainedLease.ThenAsync(lease, () => next.AcquireAsync(resource, permitCount, cancellationToken))
                    .ConfigureAwait(false);
            }

            return lease;
        }
    }

    private sealed class Single(RateLimiter[] limiters) : RateLimiter
    {
        // Null while any limiter is in use.
        public override TimeSpan? IdleDuration =>
            Array.Exists(limiters, limiter => limiter.IdleDuration is null) ? null : limiters.Min(limiter => limiter.IdleDuration);

        public override RateLimiterStatistics? GetStatistics() => Combined(limiters.Select(limiter => limiter.GetStatistics()));

        protected override RateLimitLease AttemptAcquireCore(int permitCount)
        {
            var lease = limiters[0].AttemptAcquire(permitCount);
            foreach (var next in limiters.AsSpan(1)) lease = ChainedLease.Then(lease, () => next.AttemptAcquire(permitCount));
            return lease;
        }

        protected override async ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken)
        {
            var lease = await limiters[0].AcquireAsync(permitCount, cancellationToken).ConfigureAwait(false);
            foreach (var next in limiters.Skip(1))
                lease = await ChainedLease.ThenAsync(lease, () => next.AcquireAsync(permitCount, cancellationToken)).ConfigureAwait(false);
            return lease;
        }
    }
}
