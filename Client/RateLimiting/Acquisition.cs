using System.Threading.RateLimiting;
using System.Threading.Tasks.Sources;

namespace Actors;

/// <summary>
/// One caller that waits for its lease: until the cluster answers, the time is over, or it is cancelled, whichever is first.
/// One object per call, and no state machine: this is what a decision costs here.
/// </summary>
internal sealed class Acquisition : IValueTaskSource<RateLimitLease>
{
    private readonly LeaseSource _leases;
    private readonly CancellationTokenRegistration _cancellation;

    // The caller goes on elsewhere: whoever settles has others to settle.
    private ManualResetValueTaskSourceCore<RateLimitLease> _core = new() { RunContinuationsAsynchronously = true };

    // 0 until somebody settles it; who turns it to 1 does so alone.
    private int _isSettled;

    public Acquisition(RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        Request = request;
        _leases = leases;
        if (!cancellationToken.CanBeCanceled) return;

        // May call back before it returns: then nothing is left to unregister.
        _cancellation = cancellationToken.UnsafeRegister(
            static (acquisition, token) => ((Acquisition)acquisition!).Fail(new OperationCanceledException(token)), this);
    }

    public RateLimitRequest Request { get; }

    public bool IsSettled => Volatile.Read(ref _isSettled) != 0;

    /// <summary>The lease, to be awaited once.</summary>
    public ValueTask<RateLimitLease> Lease => new(this, _core.Version);

    public void Decide(RateLimitDecision decision)
    {
        if (Settles()) _core.SetResult(_leases.Decided(decision));
    }

    public void LeaveUndecided()
    {
        if (Settles()) _core.SetResult(_leases.Undecided());
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

    private bool Settles()
    {
        if (Interlocked.Exchange(ref _isSettled, 1) != 0) return false;
        _cancellation.Unregister();
        return true;
    }
}
