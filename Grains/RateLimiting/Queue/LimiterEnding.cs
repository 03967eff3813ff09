namespace Actors.RateLimiting;

/// <summary>How far a limiter is on the way to its end.</summary>
/// <param name="stopping">Cancelled when the silo begins to stop.</param>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class LimiterEnding(CancellationToken stopping)
{
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isLeaving;

    /// <summary>No call waits any more: waiting calls fail with <see cref="LimiterMovedException"/>.</summary>
    public bool HasBegun => _isLeaving || IsClosed || stopping.IsCancellationRequested;

    /// <summary>The activation has ended.</summary>
    public bool IsClosed => _closed.Task.IsCompleted;

    /// <summary>Completes with the end of the activation, to release work that waits for Redis.</summary>
    public Task Closed => _closed.Task;

    /// <summary>The activation is asked to end; it ends when no call executes.</summary>
    public void Leave() => _isLeaving = true;

    public void Close() => _closed.TrySetResult();
}
