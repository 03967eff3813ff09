using System.Threading.RateLimiting;
using System.Threading.Tasks.Sources;

namespace Actors;

/// <summary>
/// One caller that waits for its lease: until the cluster answers, the time is over, or it is cancelled, whichever is first.
/// One object per call, and no state machine: this is what a decision costs here.
/// </summary>
internal sealed class Acquisition : IValueTaskSource<RateLimitLease>
{
    private readonly string _clientId;
    private readonly LeaseSource _leases;
    private readonly CancellationTokenRegistration _cancellation;

    // The caller goes on elsewhere: whoever settles has others to settle.
    private ManualResetValueTaskSourceCore<RateLimitLease> _core = new() { RunContinuationsAsynchronously = true };

    // 0 until somebody settles it; who turns it to 1 does so alone.
    private int _isSettled;

    // Written by whoever settles it.
    private volatile bool _isLetPast;

    public Acquisition(string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        _clientId = clientId;
        Request = request;
        _leases = leases;
        if (!cancellationToken.CanBeCanceled) return;

        // May call back before it returns: then nothing is left to unregister.
        _cancellation = cancellationToken.UnsafeRegister(
            static (acquisition, token) => ((Acquisition)acquisition!).Fail(new OperationCanceledException(token)), this);
    }

    public RateLimitRequest Request { get; }

    public bool IsSettled => Volatile.Read(ref _isSettled) != 0;

    /// <summary>True if the caller got a lease and uses its permits, whoever decided that.</summary>
    public bool IsLetPast => _isLetPast;

    /// <summary>The lease, to be awaited once.</summary>
    public ValueTask<RateLimitLease> Lease => new(this, _core.Version);

    /// <summary>Tells the caller what was decided.</summary>
    /// <returns>False if the caller has left.</returns>
    public bool Decide(RateLimitDecision decision)
    {
        if (!Settles()) return false;
        Let(_leases.Decided(_clientId, Request, decision));
        return true;
    }

    /// <summary>The cluster does not answer.</summary>
    public void LeaveUndecided()
    {
        if (Settles()) Let(_leases.Unreachable(_clientId, Request));
    }

    /// <summary>There is no room for the call.</summary>
    public void DenyOverloaded()
    {
        if (Settles()) Let(_leases.Overloaded());
    }

    /// <summary>The cluster answered that it cannot decide.</summary>
    public void Refuse(Exception error)
    {
        if (Settles()) Let(_leases.Refused(_clientId, Request, error));
    }

    public void Fail(Exception error)
    {
        if (!Settles()) return;
        _leases.Failed();
        _core.SetException(error);
    }

    RateLimitLease IValueTaskSource<RateLimitLease>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<RateLimitLease>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<RateLimitLease>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void Let(RateLimitLease lease)
    {
        _isLetPast = lease.IsAcquired;
        _core.SetResult(lease);
    }

    private bool Settles()
    {
        if (Interlocked.Exchange(ref _isSettled, 1) != 0) return false;
        _cancellation.Unregister();
        return true;
    }
}
