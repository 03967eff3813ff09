namespace Actors.RateLimiting;

/// <summary>Calls of one caller that are decided together: all of the same size, and of a call with a name only that one.</summary>
/// <param name="calls">How many calls.</param>
/// <param name="permits">The permits each asks for.</param>
/// <param name="name">What is noted of a call with a name (see <see cref="NamedGrant"/>); null without.</param>
/// <param name="deadline">Until when it waits, by the monotonic clock in microseconds; 0 where it does not wait.</param>
internal sealed class Ticket(int calls, int permits, string? name, long deadline)
{
    // Completed once, by a turn of the grain; cancelled by any thread.
    private readonly TaskCompletionSource<RateLimitDecision[]> _decided = new();

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

    public void Cancel(CancellationToken cancellationToken) => _decided.TrySetCanceled(cancellationToken);
}
