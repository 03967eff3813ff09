using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// The limiter of one client id as .NET's <see cref="RateLimiter"/>: its permits are shared by all processes and silos. Concurrent
/// calls of this process are coalesced.
/// </summary>
/// <remarks>
/// <para>
/// If the cluster does not answer within <see cref="GrainRateLimiterOptions.CallTimeout"/>,
/// <see cref="GrainRateLimiterOptions.WhenUnreachable"/> decides, and does so at once for further calls until the cluster answers
/// again. A call whose answer was lost may have been charged.
/// </para>
/// <para>
/// Disposing a lease has no effect: permits of a window return with time. In a chain, put this limiter last, or use
/// <see cref="RateLimiterChain"/>, so that calls which another limiter denies cost nothing here. A cancelled caller gives up its
/// place in the queue; a grant made at that moment is refunded.
/// </para>
/// <para>
/// A request for 0 permits queries whether one would be granted, charges nothing and does not wait. All members are safe for
/// concurrent use.
/// </para>
/// </remarks>
public sealed class GrainRateLimiter : RateLimiter
{
    private readonly string _clientId;
    private readonly LeaseSource _leases;
    private readonly RateLimitRequest _one;

    // Set once, read by any caller.
    private volatile bool _isDisposed;

    /// <summary>Creates the limiter of a client id. Makes no call.</summary>
    /// <exception cref="InvalidRateLimitException">The id or the policy name is invalid; see <see cref="RateLimits"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public GrainRateLimiter(ActorsClient client, string clientId, GrainRateLimiterOptions? options = null)
        : this((client ?? throw new ArgumentNullException(nameof(client))).RateLimitCalls, clientId, options ?? new())
    {
    }

    internal GrainRateLimiter(RateLimitCalls calls, string clientId, GrainRateLimiterOptions options)
    {
        RateLimits.ValidateId(clientId);
        _clientId = clientId;
        _leases = new(calls, options);
        _one = new() { Policy = options.Policy, MaxWait = options.MaxWait };
    }

    /// <inheritdoc/>
    public override TimeSpan? IdleDuration => _leases.IdleDuration;

    /// <summary>
    /// Statistics of this object: the permits left after its last decision (0 before the first), the callers that wait for the
    /// cluster, and the leases that were and were not acquired.
    /// </summary>
    public override RateLimiterStatistics GetStatistics()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _leases.Statistics;
    }

    /// <summary>
    /// Calls the cluster and blocks the thread until it answers, up to <see cref="GrainRateLimiterOptions.CallTimeout"/>; does not wait
    /// for permits. To avoid blocking, use <see cref="RateLimiter.AcquireAsync"/>.
    /// </summary>
    protected override RateLimitLease AttemptAcquireCore(int permitCount)
    {
        var lease = AcquireAsync(permitCount, TimeSpan.Zero, CancellationToken.None);
        return lease.IsCompleted ? lease.GetAwaiter().GetResult() : lease.AsTask().GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) =>
        AcquireAsync(permitCount, _one.MaxWait, cancellationToken);

    /// <summary>Waiting callers get a lease that is not acquired, and give up their places.</summary>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;

        // Also if disposing is false, as DisposeAsync passes it.
        _leases.Dispose();
        base.Dispose(disposing);
    }

    private ValueTask<RateLimitLease> AcquireAsync(int permitCount, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var request = permitCount == 1 && maxWait == _one.MaxWait ? _one : _one with { Permits = permitCount, MaxWait = maxWait };
        return _leases.AcquireAsync(_clientId, request, cancellationToken);
    }
}
