namespace Actors.RateLimiting;

/// <summary>
/// The calls that wait, first come, first served, and when the turn of each comes. That is planned: each is granted as soon as
/// its permits are free, and its grant counts for those behind it.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class WaitingLine
{
    private readonly List<Ticket> _tickets = [];

    // The log as it will be once all in line are served. Null where it has to be made anew.
    private GrantLog? _planned;
    private long _lastTurn;

    public int Count => _tickets.Count;

    /// <summary>The first in line.</summary>
    public Ticket First => _tickets[0];

    public IReadOnlyList<Ticket> Tickets => _tickets;

    /// <summary>When someone who asks for so many permits would be served, behind all in line.</summary>
    public long TurnOf(int permits, Windows windows, GrantLog log)
    {
        if (Count == 0) return windows.WhenFree(log, permits).At;
        Plan(windows, log);
        return Math.Max(_lastTurn, windows.WhenFree(_planned!, permits).At);
    }

    /// <summary>Lets it wait behind all others.</summary>
    public void Add(Ticket ticket, Windows windows, GrantLog log)
    {
        _tickets.Add(ticket);
        if (_planned is not null || Count == 1) PlanNext(ticket, windows, _planned ??= log.Copy());
    }

    /// <summary>The log or the windows have changed: what was planned counts no more.</summary>
    public void Replan() => _planned = null;

    /// <summary>Plans the turn of each.</summary>
    public void Plan(Windows windows, GrantLog log)
    {
        if (_planned is not null) return;
        _planned = log.Copy();
        _lastTurn = 0;
        foreach (var ticket in _tickets) PlanNext(ticket, windows, _planned);
    }

    /// <summary>Takes those out that <paramref name="leaves"/> says, and returns how many.</summary>
    public int RemoveAll(Predicate<Ticket> leaves)
    {
        var removed = _tickets.RemoveAll(leaves);
        if (removed > 0) Replan();
        return removed;
    }

    private void PlanNext(Ticket ticket, Windows windows, GrantLog planned)
    {
        _lastTurn = ticket.PlannedAt = Math.Max(_lastTurn, windows.WhenFree(planned, ticket.Permits).At);

        // One that has its turn at any time has it now; for those behind it, it is enough that it counts.
        planned.Add(Math.Max(_lastTurn, planned.Newest + 1), ticket.Permits);
    }
}
