namespace Actors.RateLimiting;

/// <summary>
/// Calls of one caller that are decided together. They have the same size; a named call has a ticket of its own.
/// </summary>
/// <param name="calls">How many calls.</param>
/// <param name="permits">The permits of each call.</param>
/// <param name="name">The stored name of a call with a request id (see <see cref="NamedGrant"/>); otherwise null.</param>
/// <param name="deadline">Until when it waits, on the monotonic clock in microseconds; 0 if it does not wait.</param>
internal sealed class Ticket(int calls, int permits, string? name, long deadline)
{
    // Changed by turns of the grain only; completed once.
    private readonly TaskCompletionSource<RateLimitDecision[]> _decided = new();
    private CancellationToken? _givenUp;
    private bool _isBeingDecided;

    public int Calls => calls;

    public int Permits => permits;

    public string? Name => name;

    public long Deadline => deadline;

    public bool Waits => deadline != 0;

    /// <summary>The expected time of its turn, if it is in the waiting line.</summary>
    public long PlannedAt { get; set; }

    /// <summary>The decisions of the calls, granted ones first.</summary>
    public Task<RateLimitDecision[]> Decided => _decided.Task;

    /// <summary>True if the script can treat this and the next call as one run.</summary>
    public bool IsAlike(Ticket next) => Name is null && next.Name is null && Permits == next.Permits && Waits == next.Waits;

    public void Decide(RateLimitDecision[] decisions) => _decided.TrySetResult(decisions);

    public void Fail(Exception error) => _decided.TrySetException(error);

    /// <summary>
    /// The ticket may be granted now. If its caller gives up meanwhile, cancel only if it is not granted, so that every charge
    /// is reported.
    /// </summary>
    public void BeginDeciding() => _isBeingDecided = true;

    /// <summary>The ticket was not granted.</summary>
    public void EndDeciding()
    {
        _isBeingDecided = false;
        if (_givenUp is { } token) _decided.TrySetCanceled(token);
    }

    /// <summary>The caller no longer waits.</summary>
    public void GiveUp(CancellationToken cancellationToken)
    {
        _givenUp = cancellationToken;
        if (!_isBeingDecided) _decided.TrySetCanceled(cancellationToken);
    }
}
