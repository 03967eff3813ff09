using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// The limiter of one client id as .NET's <see cref="RateLimiter"/>: its permits are those of all processes and silos
/// together. Calls of this process that come at the same time go to the cluster together.
/// </summary>
/// <remarks>
/// <para>
/// Where the cluster does not answer within <see cref="GrainRateLimiterOptions.CallTimeout"/>,
/// <see cref="GrainRateLimiterOptions.WhenUnreachable"/> decides, and does so at once for those who come until it answers
/// again. An answer that was lost may have been charged.
/// </para>
/// <para>
/// Disposing of a lease does nothing: permits of a window come back with time. In a chain put this limiter last, or use
/// <see cref="RateLimiterChain"/>, so that calls which another limiter denies cost nothing here. A caller that is cancelled
/// gives up its place in line; what it was granted at that moment is given back.
/// </para>
/// <para>
/// Asking for 0 permits tells whether one would be granted, charges nothing and does not wait. All members are safe for
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

    /// <summary>The limiter of a client id. No call is made.</summary>
    /// <exception cref="InvalidRateLimitException">The id or the policy is none; see <see cref="RateLimits"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside of what is allowed.</exception>
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
    /// What became of the calls of this object: the permits left by its last decision (0 before the first), how many callers
    /// wait for the cluster, and how many leases were and were not acquired.
    /// </summary>
    public override RateLimiterStatistics GetStatistics()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _leases.Statistics;
    }

    /// <summary>
    /// Asks the cluster and blocks the thread for its answer, up to <see cref="GrainRateLimiterOptions.CallTimeout"/>; does
    /// not wait for permits. Where a thread is too dear, use <see cref="RateLimiter.AcquireAsync"/>.
    /// </summary>
    protected override RateLimitLease AttemptAcquireCore(int permitCount)
    {
        var lease = AcquireAsync(permitCount, TimeSpan.Zero, CancellationToken.None);
        return lease.IsCompleted ? lease.GetAwaiter().GetResult() : lease.AsTask().GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) =>
        AcquireAsync(permitCount, _one.MaxWait, cancellationToken);

    /// <summary>Callers that wait for permits get a lease that is not acquired, and give up their places.</summary>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;

        // DisposeAsync says false here.
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
