using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// A key's entry in a lane: its latest row and the callers that wait for its commit. Changed under the lock of its
/// <see cref="LaneQueue"/> only.
/// </summary>
internal sealed class PendingRow(Row row, long since)
{
    private TaskCompletionSource<CommitResult>? _committed;

    // An earlier version that this one supersedes, if a caller waits for it.
    private PendingRow? _earlier;

    /// <summary>The latest row of the key; later versions replace it while it waits.</summary>
    public Row Row { get; set; } = row;

    /// <summary>When the first of the rows coalesced here arrived (a timestamp of the clock).</summary>
    public long Since { get; } = since;

    /// <summary>True once it is part of a batch; queues skip it then.</summary>
    public bool IsTaken { get; set; }

    /// <summary>True if a caller waits for it, so it goes into the next batch.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>Why the row can be neither committed nor parked at present; null if it is not held.</summary>
    public string? HeldFor { get; set; }

    /// <summary>Completes with the outcome of <see cref="Row"/>; created on demand because callers rarely wait.</summary>
    public Task<CommitResult> Committed =>
        (_committed ??= new TaskCompletionSource<CommitResult>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Supersedes an earlier version that is no longer committed: callers that wait for it wait for this one.</summary>
    public void Replace(PendingRow earlier)
    {
        Row = Row.InPlaceOf(earlier.Row);
        if (earlier._committed is null && earlier._earlier is null) return;

        // The chain is at most as long as the number of waiting callers.
        var first = this;
        while (first._earlier is { } next) first = next;
        first._earlier = earlier;
    }

    public void Complete() => Complete(new(CommitOutcome.Committed));

    public void Park(string reason) => Complete(new(CommitOutcome.Parked, reason));

    public void Fence(long storedVersion) => Complete(new(CommitOutcome.Fenced, StoredVersion: storedVersion));

    private void Complete(CommitResult result)
    {
        _committed?.TrySetResult(result);
        _earlier?.Complete(result);
    }
}
