namespace Actors.RateLimiting;

/// <summary>
/// The calls of a limiter that are not being decided: those that have just arrived, behind the waiting line. Decides which go
/// with the next batch.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class PendingCalls(LogCopy log, WaitingLine line, Decider decider, LimiterEnding ending, RedisGrantLogStore logs)
{
    private const int MaxArrived = 10_000;

    // A queue of this many is no longer kept once it is empty.
    private const int MaxSpare = 1024;

    // At most MaxArrived.
    private readonly Queue<Ticket> _arrived = [];

    public bool HasArrived => _arrived.Count > 0;

    /// <exception cref="OverloadedException">No further call may arrive.</exception>
    public void CheckRoom()
    {
        if (_arrived.Count >= MaxArrived) throw LimiterErrors.Crowded(log, MaxArrived);
    }

    public void Add(Ticket ticket) => _arrived.Enqueue(ticket);

    /// <summary>
    /// Moves to a batch the waiting calls whose turn has come, followed by all arrived calls unless other calls still wait
    /// before them.
    /// </summary>
    public void TakeDue(List<Ticket> batch)
    {
        var now = logs.Clock.Now;
        var earliest = log.Clock.Earliest(now);
        AnswerLate(now, earliest);

        // If all calls are granted or denied alike, their order does not matter.
        var isAnyDue = !logs.IsReachable && log.Policy.OnRedisDown != RedisDownBehavior.Local;
        if (line.Count > 0)
            batch.AddRange(line.Planned.TakeWhile(ticket => isAnyDue || ticket.PlannedAt <= earliest).Take(RedisGrantLogStore.MaxEntries));

        // If the batch is full, the rest and the calls that arrived after it go with the next batch.
        if (batch.Count < RedisGrantLogStore.MaxEntries) TakeArrived(batch, now, earliest);
        foreach (var ticket in batch) ticket.BeginDeciding();
    }

    /// <summary>
    /// Frees spare memory while no call is due. Returns when the first waiting call must be answered, by its turn or its
    /// deadline; null if none waits.
    /// </summary>
    public TimeSpan? Rest()
    {
        if (_arrived.Capacity > MaxSpare) _arrived.TrimExcess();
        if (line.Count == 0) return null;
        var (now, tickets) = (logs.Clock.Now, line.Planned);
        var turn = tickets[0].PlannedAt - log.Clock.Earliest(now);
        var deadline = tickets.Min(ticket => ticket.Deadline) - now;
        return TimeSpan.FromMicroseconds(Math.Max(0, Math.Min(turn, deadline)));
    }

    /// <summary>Fails the calls of a batch.</summary>
    public void Fail(List<Ticket> batch, Exception error)
    {
        foreach (var ticket in batch) ticket.Fail(error);
        line.RemoveDecided();
    }

    /// <summary>Fails all calls, including those that a batch has taken so far.</summary>
    public void FailAll(List<Ticket> taken, Exception error)
    {
        // A caller that learns of its failure may call again at once.
        List<Ticket> all = [.. taken, .. line.All, .. _arrived];
        _arrived.Clear();
        Fail(all, error);
    }

    private void TakeArrived(List<Ticket> batch, long now, long earliest)
    {
        // A call is removed only after it was handled: until then FailAll finds it here.
        var isLineDue = batch.Count == line.Count;
        for (var entries = batch.Count; entries < RedisGrantLogStore.MaxEntries && _arrived.TryPeek(out var ticket); _arrived.Dequeue())
        {
            if (ticket.Decided.IsCompleted) continue;
            if (ending.HasBegun && ticket.Waits) ticket.Fail(LimiterErrors.Moved());
            else if (ticket.Permits > log.Windows.SmallestLimit) ticket.Fail(LimiterErrors.TooMany(ticket.Permits, log.Windows));
            else if (!isLineDue) decider.HoldOrDeny(ticket, now, earliest, decider.SourceWithoutScript);
            else
            {
                if (batch.Count == 0 || !batch[^1].IsAlike(ticket)) entries++;
                batch.Add(ticket);
            }
        }
    }

    /// <summary>
    /// Answers the waiting calls that reached their deadline, and those whose turn can never come because the policy changed or
    /// the limiter ended.
    /// </summary>
    private void AnswerLate(long now, long earliest)
    {
        line.RemoveDecided();
        if (line.Count == 0) return;
        foreach (var ticket in line.Planned)
        {
            if (ending.HasBegun) ticket.Fail(LimiterErrors.Moved());
            else if (ticket.Permits > log.Windows.SmallestLimit) ticket.Fail(LimiterErrors.TooMany(ticket.Permits, log.Windows));
        }

        line.RemoveDecided();
        foreach (var ticket in line.Planned.Where(ticket => ticket.Deadline <= now && ticket.PlannedAt > earliest).ToList())
            decider.Deny(ticket, earliest, decider.SourceWithoutScript);
        line.RemoveDecided();
    }
}
