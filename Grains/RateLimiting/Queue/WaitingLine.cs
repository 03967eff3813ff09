namespace Actors.RateLimiting;

/// <summary>
/// The waiting calls, in first-come-first-served order, with the planned time of each. Each call is granted as soon as its
/// permits are free, and its grant counts for the calls behind it.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class WaitingLine(LogCopy log, LimiterCounters counters, RateLimitOptions options)
{
    // This many calls of a client and policy may wait even if the silo's memory is full.
    private const int AlwaysWaiting = 10;

    /// <summary>Approximate memory of a held call, in Orleans and here.</summary>
    public const long CallBytes = 3 * 1024;

    private readonly List<Ticket> _tickets = [];

    // The log as it will be when all waiting calls are served, and the version it was computed from. Null if it must be
    // recomputed.
    private GrantLog? _planned;
    private (int Version, Windows? Windows) _plannedFrom;
    private long _lastTurn;

    public int Count => _tickets.Count;

    /// <summary>True if one more call may wait.</summary>
    public bool HasPlace => Count < (counters.Bytes < options.MaxMemory ? options.MaxWaiting : Math.Min(options.MaxWaiting, AlwaysWaiting));

    /// <summary>The memory of the line and its calls.</summary>
    public long Bytes => (CallBytes * _tickets.Count) + (_planned?.Bytes ?? 0);

    /// <summary>The waiting calls, whether or not their turns are planned.</summary>
    public IReadOnlyList<Ticket> All => _tickets;

    /// <summary>The waiting calls, all with planned turns.</summary>
    public IReadOnlyList<Ticket> Planned
    {
        get
        {
            Plan();
            return _tickets;
        }
    }

    public bool Holds(Ticket ticket) => Count > 0 && _tickets.Contains(ticket);

    /// <summary>
    /// When a call for this many permits would be served behind all waiting calls; <see cref="long.MinValue"/> if it would be
    /// served at any time.
    /// </summary>
    public long TurnOf(int permits)
    {
        if (Count == 0) return log.Windows.WhenFree(log.Grants, permits).At;
        Plan();
        return Math.Max(_lastTurn, log.Windows.WhenFree(_planned!, permits).At);
    }

    /// <summary>Adds a call at the end.</summary>
    public void Add(Ticket ticket)
    {
        Plan();
        _tickets.Add(ticket);
        counters.AddWaiting(1);
        PlanNext(ticket, log.Windows);
    }

    /// <summary>Removes the calls that have been answered.</summary>
    public void RemoveDecided()
    {
        if (Count == 0 || _tickets.RemoveAll(ticket => ticket.Decided.IsCompleted) is not (> 0 and var left)) return;
        counters.AddWaiting(-left);
        _planned = null;
        if (_tickets.Count == 0 && _tickets.Capacity > 64) _tickets.TrimExcess();
    }

    private void Plan()
    {
        if (_planned is not null && _plannedFrom == (log.Grants.Version, log.Windows)) return;
        (_planned, _plannedFrom, _lastTurn) = (log.Grants.Copy(), (log.Grants.Version, log.Windows), 0);
        foreach (var ticket in _tickets) PlanNext(ticket, log.Windows);
    }

    private void PlanNext(Ticket ticket, Windows windows)
    {
        _lastTurn = ticket.PlannedAt = Math.Max(_lastTurn, windows.WhenFree(_planned!, ticket.Permits).At);

        // A call that can be served at any time is served now; for later calls it only matters that it counts.
        _planned!.Add(Math.Max(_lastTurn, _planned.Newest + 1), ticket.Permits);
    }
}
