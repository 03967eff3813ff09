using System.Threading.RateLimiting;
using System.Threading.Tasks.Sources;

namespace Actors;

/// <summary>
/// One caller that waits for its lease, until the cluster answers, the call times out or the caller cancels. A decision costs
/// one such object per call, and no async state machine.
/// </summary>
internal sealed class Acquisition : IValueTaskSource<RateLimitLease>
{
    private readonly string _clientId;
    private readonly LeaseSource _leases;
    private readonly CancellationTokenRegistration _cancellation;

    // Asynchronous continuations: the settling thread has other calls to settle.
    private ManualResetValueTaskSourceCore<RateLimitLease> _core = new() { RunContinuationsAsynchronously = true };

    // 0 until settled; only the thread that sets it to 1 settles.
    private int _isSettled;

    // Written by the settling thread.
    private volatile bool _isLetPast;

    public Acquisition(string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        _clientId = clientId;
        Request = request;
        _leases = leases;
        if (!cancellationToken.CanBeCanceled) return;

        // The callback may run before this returns; then there is nothing to unregister.
        _cancellation = cancellationToken.UnsafeRegister(
            static (acquisition, token) => ((Acquisition)acquisition!).Fail(new OperationCanceledException(token)), this);
    }

    public RateLimitRequest Request { get; }

    public bool IsSettled => Volatile.Read(ref _isSettled) != 0;

    /// <summary>True if the caller got an acquired lease, whatever decided it.</summary>
    public bool IsLetPast => _isLetPast;

    /// <summary>The lease, to be awaited once.</summary>
    public ValueTask<RateLimitLease> Lease => new(this, _core.Version);

    /// <summary>Settles the call with a decision.</summary>
    /// <returns>False if the call was settled already.</returns>
    public bool Decide(RateLimitDecision decision)
    {
        if (!Settles()) return false;
        Let(_leases.Decided(_clientId, Request, decision));
        return true;
    }

    /// <summary>Settles the call because the cluster does not answer.</summary>
    public void LeaveUndecided()
    {
        if (Settles()) Let(_leases.Unreachable(_clientId, Request));
    }

    /// <summary>Settles the call because there is no room for it.</summary>
    public void DenyOverloaded()
    {
        if (Settles()) Let(_leases.Overloaded());
    }

    /// <summary>Settles the call because the cluster answered that it cannot decide.</summary>
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
