using System.Threading.RateLimiting;

namespace Actors;

/// <summary>Acquires, creates and counts the leases of one limiter.</summary>
internal sealed class LeaseSource : IDisposable
{
    // For overloads without a time to retry.
    private static readonly TimeSpan RetryWhenOverloaded = TimeSpan.FromSeconds(1);

    private readonly RateLimitCalls _calls;
    private readonly WhenUnreachable _whenUnreachable;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _disposing = new();

    // Updated by callers and by answers, with interlocked operations.
    private long _granted;
    private long _denied;
    private long _pending;
    private long _idleSince;
    private int _available;

    public LeaseSource(RateLimitCalls calls, GrainRateLimiterOptions options)
    {
        options.Validate();
        _calls = calls;
        _whenUnreachable = options.WhenUnreachable;
        _time = calls.Time;
        _idleSince = _time.GetTimestamp();
        Patience = new(options.CallTimeout, options.MaxQueued);
    }

    public Patience Patience { get; }

    /// <summary>Cancelled when the limiter is disposed: waiting callers then get no permits.</summary>
    public CancellationToken Disposing => _disposing.Token;

    /// <summary>How long no caller has been waiting for a lease; null while one is.</summary>
    public TimeSpan? IdleDuration =>
        Interlocked.Read(ref _pending) > 0 ? null : _time.GetElapsedTime(Interlocked.Read(ref _idleSince));

    public RateLimiterStatistics Statistics => new()
    {
        CurrentAvailablePermits = Volatile.Read(ref _available),
        CurrentQueuedCount = Interlocked.Read(ref _pending),
        TotalSuccessfulLeases = Interlocked.Read(ref _granted),
        TotalFailedLeases = Interlocked.Read(ref _denied),
    };

    /// <summary>Acquires the permits of a request; for 0 permits, queries whether one would be granted.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The permits exceed what the policy can ever grant.</exception>
    public ValueTask<RateLimitLease> AcquireAsync(string clientId, RateLimitRequest request, CancellationToken cancellationToken)
    {
        if (request.Permits > RateLimits.MaxLimit) throw TooMany(request.Permits, RateLimits.MaxLimit);
        Interlocked.Increment(ref _pending);
        return request.Permits switch
        {
            0 => _calls.PeekAsync(clientId, request, this, cancellationToken),
            1 => _calls.AcquireAsync(clientId, request, this, cancellationToken),
            _ => AcquireSeveralAsync(clientId, request, cancellationToken),
        };
    }

    public RateLimitLease Decided(string clientId, RateLimitRequest request, RateLimitDecision decision)
    {
        Volatile.Write(ref _available, decision.Remaining);
        RateLimitClientInstruments.Decided(decision);
        return Counted(new DecidedLease(decision, this, clientId, request));
    }

    /// <summary>
    /// The lease if the cluster did not answer for the client. If it answers no client, <see cref="WhenUnreachable"/> decides. If
    /// others are answered, the last known limits apply to a client that would be allowed.
    /// </summary>
    public RateLimitLease Unreachable(string clientId, RateLimitRequest request)
    {
        if (_whenUnreachable == WhenUnreachable.Deny) return Undecided(UndecidedLease.Denied, RateLimitClientTelemetry.UnreachableDenied);
        if (_calls.IsClusterSilent || _calls.Fallbacks.TryGrant(clientId, request, out var retryAfter) is not { } isGranted)
            return Undecided(UndecidedLease.Allowed, RateLimitClientTelemetry.UnreachableAllowed);
        return isGranted
            ? Undecided(UndecidedLease.Allowed, RateLimitClientTelemetry.FallbackAllowed)
            : Undecided(UndecidedLease.OverFallback(retryAfter), RateLimitClientTelemetry.FallbackDenied);
    }

    /// <summary>The lease if there is no room for the call, here or in the cluster. This is not an outage: the call is denied.</summary>
    public RateLimitLease Overloaded(TimeSpan? retryAfter = null) =>
        Undecided(UndecidedLease.Overloaded(retryAfter ?? RetryWhenOverloaded), RateLimitClientTelemetry.OverloadedDenied);

    /// <summary>The lease if the cluster answered that it cannot decide.</summary>
    public RateLimitLease Refused(string clientId, RateLimitRequest request, Exception error) =>
        error is OverloadedException overloaded ? Overloaded(overloaded.RetryAfter) : Unreachable(clientId, request);

    /// <summary>The lease if the limiter was disposed while the caller waited.</summary>
    public RateLimitLease Disposed() => Counted(UndecidedLease.Disposed);

    /// <summary>Records that the caller gets an error instead of a lease.</summary>
    public void Failed() => End();

    /// <summary>Refunds the grant of a lease.</summary>
    public void GiveBack(string clientId, RateLimitRequest request, RateLimitDecision decision) =>
        _calls.Unused.GiveBack(clientId, request, decision);

    // Without links or timers, the source holds nothing that must be freed; waiting callers may still use the token.
    public void Dispose() => _ = _disposing.CancelAsync();

    private RateLimitLease Undecided(UndecidedLease lease, string outcome)
    {
        RateLimitClientInstruments.Undecided(outcome);
        return Counted(lease);
    }

    private RateLimitLease Counted(RateLimitLease lease)
    {
        Interlocked.Increment(ref lease.IsAcquired ? ref _granted : ref _denied);
        End();
        return lease;
    }

    private void End()
    {
        Interlocked.Exchange(ref _idleSince, _time.GetTimestamp());
        Interlocked.Decrement(ref _pending);
    }

    // The cluster uses one exception type for all invalid requests; .NET's limiters throw another one for too many permits.
    private async ValueTask<RateLimitLease> AcquireSeveralAsync(
        string clientId, RateLimitRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await _calls.AcquireAsync(clientId, request, this, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidRateLimitException)
        {
            var limit = await _calls.SmallestLimitAsync(clientId, request.Policy, Patience.CallTimeout, cancellationToken).ConfigureAwait(false);
            if (request.Permits > limit) throw TooMany(request.Permits, limit.Value);
            throw;
        }
    }

    private static ArgumentOutOfRangeException TooMany(int permitCount, int limit) =>
        new(nameof(permitCount), permitCount, $"{permitCount} permits are more than the {limit} that the policy can grant at once.");
}
