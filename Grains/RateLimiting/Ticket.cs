namespace Actors.RateLimiting;

/// <summary>Calls of one caller that are decided together: all of the same size, and of a call with a name only that one.</summary>
/// <param name="calls">How many calls.</param>
/// <param name="permits">The permits each asks for.</param>
/// <param name="name">What is noted of a call with a name (see <see cref="NamedGrant"/>); null without.</param>
/// <param name="deadline">Until when it waits, by the monotonic clock in microseconds; 0 where it does not wait.</param>
internal sealed class Ticket(int calls, int permits, string? name, long deadline)
{
    // All of it is changed by turns of the grain only; completed once.
    private readonly TaskCompletionSource<RateLimitDecision[]> _decided = new();
    private CancellationToken? _givenUp;
    private bool _isBeingDecided;

    public int Calls => calls;

    public int Permits => permits;

    public string? Name => name;

    public long Deadline => deadline;

    public bool Waits => deadline != 0;

    /// <summary>When its turn comes, as far as is known; of one that waits in line.</summary>
    public long PlannedAt { get; set; }

    /// <summary>The decisions, of each call; granted ones first.</summary>
    public Task<RateLimitDecision[]> Decided => _decided.Task;

    public void Decide(RateLimitDecision[] decisions) => _decided.TrySetResult(decisions);

    public void Fail(Exception error) => _decided.TrySetException(error);

    /// <summary>It may be granted now, and who gives up meanwhile is told so only if it is not: nobody is charged and not told.</summary>
    public void BeginDeciding() => _isBeingDecided = true;

    /// <summary>It was not granted.</summary>
    public void EndDeciding()
    {
        _isBeingDecided = false;
        if (_givenUp is { } token) _decided.TrySetCanceled(token);
    }

    /// <summary>Its caller waits no longer.</summary>
    public void GiveUp(CancellationToken cancellationToken)
    {
        _givenUp = cancellationToken;
        if (!_isBeingDecided) _decided.TrySetCanceled(cancellationToken);
    }
}
