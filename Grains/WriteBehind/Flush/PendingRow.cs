using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>A key's place in a lane: its latest row, and who waits for its commit. Touched under the lane's lock only.</summary>
internal sealed class PendingRow(Row row, long since)
{
    private TaskCompletionSource? _committed;

    // An earlier version that this one is committed in place of, if someone waits for that.
    private PendingRow? _earlier;

    /// <summary>The latest row of the key; later ones replace it while it waits.</summary>
    public Row Row { get; set; } = row;

    /// <summary>When the first of the rows coalesced here arrived (a timestamp of the clock).</summary>
    public long Since { get; } = since;

    /// <summary>True once it is part of a batch; a queue that still names it passes it over.</summary>
    public bool IsTaken { get; set; }

    /// <summary>True where someone waits for it, so that it goes with the next batch.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>Why it can be neither committed nor parked at present; null in ordinary times.</summary>
    public string? HeldFor { get; set; }

    /// <summary>Completes with the commit of <see cref="Row"/>; made on demand, since mostly nobody asks.</summary>
    public Task Committed =>
        (_committed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Stands in for an earlier version of the key, which is not committed any more: who waits for that waits for this.</summary>
    public void Replace(PendingRow earlier)
    {
        Row = Row.InPlaceOf(earlier.Row);
        if (earlier._committed is null && earlier._earlier is null) return;

        // At most as many as there are callers that wait.
        var first = this;
        while (first._earlier is { } next) first = next;
        first._earlier = earlier;
    }

    public void Complete()
    {
        _committed?.TrySetResult();
        _earlier?.Complete();
    }

    public void Park(string reason)
    {
        _committed?.TrySetException(new RowParkedException(Row.Key, reason));
        _earlier?.Park(reason);
    }

    public void Refuse(long storedVersion)
    {
        _committed?.TrySetException(new OwnershipLostException(Row.Key) { StoredVersion = storedVersion });
        _earlier?.Refuse(storedVersion);
    }
}
