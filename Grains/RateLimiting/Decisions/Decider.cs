using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Decides the calls of one client under one policy: by the script in Redis, from the reserve, or from the local copy of the
/// log without Redis. Calls that are not granted and may wait join the waiting
/// line.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain. One batch is decided at a time (<see cref="ExclusiveQueue"/>), and the log does not
/// change while its script is in flight.
/// </remarks>
internal sealed class Decider(
    LogCopy log, GrantLogSession session, WaitingLine line, DecisionFactory decisions, LimiterEnding ending, RedisGrantLogStore logs,
    LimiterCounters counters)
{
    /// <summary>The retry delay that callers get when all calls are denied while Redis is unreachable.</summary>
    public static readonly TimeSpan WhileDown = TimeSpan.FromSeconds(1);

    /// <summary>The source of a decision made without a script.</summary>
    public DecidedBy SourceWithoutScript => logs.IsReachable ? DecidedBy.Mirror : DecidedBy.Local;

    private RateLimitPolicy Policy => log.Policy;

    /// <summary>Decides calls in order, by the script or, if Redis is unreachable, without it.</summary>
    /// <exception cref="StorageUnavailableException">Other activations keep taking over the log.</exception>
    public async Task DecideAsync(List<Ticket> batch)
    {
        for (var attempt = 1; attempt <= GrantLogSession.MaxAttempts; attempt++)
        {
            if (!logs.IsReachable)
            {
                DecideLocally(batch);
                return;
            }

            try
            {
                if (await session.DecideAsync(batch) is { } answer)
                {
                    Answer(batch, answer.Granted, answer.PermitsGranted(batch), answer.Time, answer.At, DecidedBy.Redis);
                    return;
                }

                await session.BackOffAsync(attempt);
            }
            catch (RedisUnavailableException error)
            {
                // The calls are decided locally. If Redis decided them as well, the next sync undoes that.
                if (error.MayHaveHappened) MarkUncertain(batch);
                DecideLocally(batch);
                return;
            }
        }

        throw LimiterErrors.Contested(log);
    }

    /// <summary>
    /// Grants all calls from the reserve; null if that is not possible. Only while no script is in flight and no call waits.
    /// </summary>
    public RateLimitDecision[]? TryGrantReserved(int calls, int permits)
    {
        var all = (long)calls * permits;
        if (all > log.Reserve.Left || !logs.IsReachable) return null;

        // The policy may have changed after the permits were reserved.
        var clock = logs.Clock.Now;
        var now = log.Clock.Earliest(clock);
        var (tightest, left) = decisions.Tightest(now);
        if (all > left || !log.Reserve.TryGrant(all, log.Clock.Latest(clock), out var at)) return null;
        counters.Decided(Policy.Name, Outcome.Allowed, DecidedBy.Reserve, calls);
        var results = new RateLimitDecision[calls];
        for (var call = 0; call < calls; call++)
        {
            left -= permits;
            results[call] = decisions.Allowed((tightest, left), now, at, DecidedBy.Reserve);
        }

        return results;
    }

    /// <summary>Adds a call that was not granted to the waiting line, or denies it if it does not wait or would come too late.</summary>
    public void HoldOrDeny(Ticket ticket, long now, long moment, DecidedBy source)
    {
        if (ending.HasBegun && ticket.Waits)
        {
            ticket.Fail(LimiterErrors.Moved());
            return;
        }

        var turn = Math.Max(moment, line.TurnOf(ticket.Permits));
        if (ticket.Waits && turn - moment <= ticket.Deadline - now && line.HasPlace) line.Add(ticket);
        else Deny(ticket, moment, source);
    }

    /// <summary>Denies a ticket, or its calls from a position on.</summary>
    public void Deny(Ticket ticket, long now, DecidedBy source, RateLimitDecision[]? results = null, int from = 0)
    {
        results ??= new RateLimitDecision[ticket.Calls];
        var isDown = source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny;
        Array.Fill(
            results,
            isDown ? decisions.Down(ticket.Permits, now, WhileDown) : decisions.Denied(ticket.Permits, now, source),
            from,
            ticket.Calls - from);
        counters.Decided(Policy.Name, Policy.IsShadow ? Outcome.ShadowDenied : Outcome.Denied, source, ticket.Calls - from);
        ticket.Decide(results);
    }

    /// <summary>Redis may have granted these tickets; makes it forget them.</summary>
    private void MarkUncertain(List<Ticket> batch)
    {
        foreach (var ticket in batch)
        {
            if (ticket.Name is not null) log.Names.Forget(ticket.Name);
        }

        log.MarkDirty();
    }

    /// <summary>
    /// Decides without Redis. Its clock is known only within bounds: grants are made at the latest possible time and expire at
    /// the earliest.
    /// </summary>
    private void DecideLocally(List<Ticket> batch)
    {
        var now = logs.Clock.Now;
        var (earliest, latest) = (log.Clock.Earliest(now), log.Clock.Latest(now));
        if (Policy.OnRedisDown == RedisDownBehavior.Deny)
        {
            foreach (var ticket in batch) Deny(ticket, earliest, DecidedBy.Local);
            line.RemoveDecided();
            return;
        }

        log.Grants.Trim(earliest - log.Windows.Longest);
        var at = Math.Max(latest, log.Grants.Newest + 1);
        var free = Math.Max(0, log.Windows.Left(log.Grants, earliest));
        var granted = new long[batch.Count];
        var (taken, isBlocked) = (0L, false);
        for (var i = 0; i < batch.Count; i++)
        {
            var ticket = batch[i];
            var fits = isBlocked ? 0 : Math.Min(ticket.Calls, (free - taken) / ticket.Permits);
            taken += fits * ticket.Permits;
            isBlocked |= ticket.Waits && fits < ticket.Calls;
            // Allow grants every call; only what fits is charged.
            granted[i] = Policy.OnRedisDown == RedisDownBehavior.Allow ? ticket.Calls : fits;
            if (ticket.Name is not null && fits > 0) log.Names.Note(ticket.Name, at);
        }

        if (taken > 0) log.Grant(at, taken);
        Answer(batch, granted, taken, earliest, at, DecidedBy.Local);
    }

    /// <summary>
    /// Completes each ticket. Calls that were not granted and may wait join the waiting line. The log holds the grants already.
    /// </summary>
    private void Answer(List<Ticket> batch, long[] granted, long taken, long now, long at, DecidedBy source)
    {
        // Each granted call reports the permits left after it.
        var (tightest, left) = decisions.Tightest(now);
        left += taken;
        for (var i = 0; i < batch.Count; i++)
        {
            var ticket = batch[i];
            // Negative: the time of an earlier grant of this name (DecideResponse.Granted).
            if (granted[i] < 0) ticket.Decide([decisions.Allowed((tightest, left), now, -granted[i], source)]);
            if (granted[i] <= 0) continue;
            var results = new RateLimitDecision[ticket.Calls];
            for (var call = 0; call < granted[i]; call++)
            {
                left -= ticket.Permits;
                results[call] = decisions.Allowed((tightest, left), now, at, source);
            }

            counters.Decided(Policy.Name, Outcome.Allowed, source, (int)granted[i]);
            if (granted[i] == ticket.Calls) ticket.Decide(results);
            else Deny(ticket, now, source, results, (int)granted[i]);
        }

        for (var i = 0; i < batch.Count; i++)
        {
            if (granted[i] == 0) batch[i].EndDeciding();
        }

        // The waiting line still holds the calls that waited before and were not granted now.
        line.RemoveDecided();
        var clock = logs.Clock.Now;
        for (var i = 0; i < batch.Count; i++)
        {
            if (!batch[i].Decided.IsCompleted && !line.Holds(batch[i])) HoldOrDeny(batch[i], clock, now, source);
        }
    }
}
