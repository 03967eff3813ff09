namespace Actors.RateLimiting;

/// <summary>
/// The calls that wait, first come, first served, and when the turn of each comes. That is planned: each is granted as soon as
/// its permits are free, and its grant counts for those behind it.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class WaitingLine(LimiterCounters counters)
{
    /// <summary>What a call takes that is held, in Orleans and here, roughly.</summary>
    public const long CallBytes = 3 * 1024;

    private readonly List<Ticket> _tickets = [];

    // The log as it will be once all in line are served, and what that was worked out from. Null where it has to be anew.
    private GrantLog? _planned;
    private (int Log, Windows? Windows) _plannedFrom;
    private long _lastTurn;

    public int Count => _tickets.Count;

    /// <summary>The memory it takes, and the calls in it.</summary>
    public long Bytes => (CallBytes * _tickets.Count) + (_planned?.Bytes ?? 0);

    /// <summary>Those in line, whether or not their turns are planned.</summary>
    public IReadOnlyList<Ticket> All => _tickets;

    /// <summary>Those in line; the turn of each is planned.</summary>
    public IReadOnlyList<Ticket> Tickets(GrantLogSession log)
    {
        Plan(log);
        return _tickets;
    }

    public bool Holds(Ticket ticket) => Count > 0 && _tickets.Contains(ticket);

    /// <summary>When someone who asks for so many permits would be served, behind all in line; <see cref="long.MinValue"/> at any time.</summary>
    public long TurnOf(int permits, GrantLogSession log)
    {
        if (Count == 0) return log.Windows.WhenFree(log.Grants, permits).At;
        Plan(log);
        return Math.Max(_lastTurn, log.Windows.WhenFree(_planned!, permits).At);
    }

    /// <summary>Lets it wait behind all others.</summary>
    public void Add(Ticket ticket, GrantLogSession log)
    {
        Plan(log);
        _tickets.Add(ticket);
        counters.AddWaiting(1);
        PlanNext(ticket, log.Windows);
    }

    /// <summary>Those who have been answered leave.</summary>
    public void RemoveDecided()
    {
        if (Count == 0 || _tickets.RemoveAll(ticket => ticket.Decided.IsCompleted) is not (> 0 and var left)) return;
        counters.AddWaiting(-left);
        _planned = null;
        if (_tickets.Count == 0 && _tickets.Capacity > 64) _tickets.TrimExcess();
    }

    private void Plan(GrantLogSession log)
    {
        if (_planned is not null && _plannedFrom == (log.Grants.Version, log.Windows)) return;
        (_planned, _plannedFrom, _lastTurn) = (log.Grants.Copy(), (log.Grants.Version, log.Windows), 0);
        foreach (var ticket in _tickets) PlanNext(ticket, log.Windows);
    }

    private void PlanNext(Ticket ticket, Windows windows)
    {
        _lastTurn = ticket.PlannedAt = Math.Max(_lastTurn, windows.WhenFree(_planned!, ticket.Permits).At);

        // One that has its turn at any time has it now; for those behind it, it is enough that it counts.
        _planned!.Add(Math.Max(_lastTurn, _planned.Newest + 1), ticket.Permits);
    }
}
