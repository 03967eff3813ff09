using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Decides the calls of one client under one policy: by the script in Redis, from the reserve, or without Redis from the copy
/// of the log. Who is not granted and may wait is put in line.
/// </summary>
/// <remarks>
/// Touched by the turns of one grain only. One batch is decided at a time (<see cref="Limiter"/>), and while its script is in
/// flight the log is changed by nobody.
/// </remarks>
internal sealed class Decider(
    GrantLogSession log, WaitingLine line, Decisions decisions, RedisGrantLogStore logs, LimiterCounters counters, RateLimitOptions options, ILimiterHost host)
{
    // As many calls of a client and policy may wait also where the silo's memory is full.
    private const int AlwaysWaiting = 10;

    /// <summary>What callers are told to wait where all are denied while Redis is away.</summary>
    public static readonly TimeSpan WhileDown = TimeSpan.FromSeconds(1);

    /// <summary>What a decision rests on that no script makes.</summary>
    public DecidedBy HeldBy => logs.IsReachable ? DecidedBy.Mirror : DecidedBy.Local;

    /// <summary>No call waits any more: one that would is told to go elsewhere (<see cref="Moved"/>).</summary>
    public bool IsEnding => IsLeaving || IsClosed || logs.Stopping.IsCancellationRequested;

    /// <summary>The activation is told to end; it does so once no call executes.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>The activation has ended.</summary>
    public bool IsClosed { get; set; }

    /// <summary>What a waiting call is told that has to be made again on the next activation.</summary>
    public static LimiterMovedException Moved() =>
        new("The limiter moves to another activation, and the call had not had its turn yet; nothing was charged. Repeat the call.");

    private RateLimitPolicy Policy => log.Windows.Policy;

    private bool HasPlace => line.Count < (counters.Bytes < options.MaxMemory ? options.MaxWaiting : Math.Min(options.MaxWaiting, AlwaysWaiting));

    /// <summary>Decides calls, in their order: by the script, or without it where Redis is away.</summary>
    /// <exception cref="StorageUnavailableException">Others take the log for theirs.</exception>
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
                if (await log.AskAsync(batch) is { } answer)
                {
                    Settle(batch, answer.Granted, answer.PermitsGranted(batch), answer.Time, answer.At, DecidedBy.Redis);
                    return;
                }

                await log.LetOthersAsync(attempt);
            }
            catch (RedisUnavailableException error)
            {
                // Decided here instead. If Redis did decide it, that is undone by the next one.
                if (error.MayHaveHappened) Doubt(batch);
                DecideLocally(batch);
                return;
            }
        }

        throw log.Contested();
    }

    /// <summary>Grants calls from the reserve, all of them; null where that is not possible. Only while no script is in flight, and nobody waits.</summary>
    public RateLimitDecision[]? TryGrantReserved(int calls, int permits)
    {
        var all = (long)calls * permits;
        if (all > log.Reserved || !logs.IsReachable) return null;

        // The windows may be others than when it was reserved.
        var clock = logs.Now;
        var now = log.Clock.Earliest(clock);
        var (tightest, left) = decisions.Tightest(now);
        if (all > left || !log.TryGrantReserved(all, clock, out var at)) return null;
        counters.Decided(Policy.Name, Outcome.Allowed, DecidedBy.Reserve, calls);
        var told = new RateLimitDecision[calls];
        for (var call = 0; call < calls; call++)
        {
            left -= permits;
            told[call] = decisions.Allowed((tightest, left), now, at, DecidedBy.Reserve);
        }

        return told;
    }

    /// <summary>Lets a call that was not granted wait for its turn, or denies it where it would not or comes too late.</summary>
    public void HoldOrDeny(Ticket ticket, long now, long moment, DecidedBy source)
    {
        if (IsEnding && ticket.Waits)
        {
            ticket.Fail(Moved());
            return;
        }

        var turn = Math.Max(moment, line.TurnOf(ticket.Permits, log));
        if (ticket.Waits && turn - moment <= ticket.Deadline - now && HasPlace) line.Add(ticket, log);
        else Deny(ticket, moment, source);
    }

    /// <summary>Denies a ticket, or what is left of it from a position on.</summary>
    public void Deny(Ticket ticket, long now, DecidedBy source, RateLimitDecision[]? told = null, int from = 0)
    {
        told ??= new RateLimitDecision[ticket.Calls];
        var isDown = source == DecidedBy.Local && Policy.OnRedisDown == RedisDownBehavior.Deny;
        Array.Fill(
            told,
            isDown ? decisions.Down(ticket.Permits, now, WhileDown) : decisions.Denied(ticket.Permits, now, source),
            from,
            ticket.Calls - from);
        counters.Decided(Policy.Name, Policy.IsShadow ? Outcome.ShadowDenied : Outcome.Denied, source, ticket.Calls - from);
        ticket.Decide(told);
    }

    /// <summary>Nobody knows whether Redis has granted these: it is to forget it.</summary>
    private void Doubt(List<Ticket> batch)
    {
        foreach (var ticket in batch)
        {
            if (ticket.Name is not null) log.Forget(ticket.Name);
        }

        log.BecomeUnsynced();
    }

    /// <summary>
    /// Decides without Redis. What its clock shows is known to within a moment: grants count as made at the latest it may be, and
    /// as leaving their windows at the earliest it may be.
    /// </summary>
    private void DecideLocally(List<Ticket> batch)
    {
        var now = logs.Now;
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
            granted[i] = Policy.OnRedisDown == RedisDownBehavior.Allow ? ticket.Calls : fits;
            if (ticket.Name is not null && fits > 0) log.Note(ticket.Name, at);
        }

        if (taken > 0)
        {
            log.Grant(at, taken);
            host.IsUnsynced(TimeSpan.FromMicroseconds(log.Windows.Longest));
        }

        Settle(batch, granted, taken, earliest, at, DecidedBy.Local);
    }

    /// <summary>Tells each what was decided; who was not granted and may wait is put in line. The log holds these grants already.</summary>
    private void Settle(List<Ticket> batch, long[] granted, long taken, long now, long at, DecidedBy source)
    {
        // Each call that was granted is told what was left behind it.
        var (tightest, left) = decisions.Tightest(now);
        left += taken;
        for (var i = 0; i < batch.Count; i++)
        {
            var ticket = batch[i];
            if (granted[i] < 0) ticket.Decide([decisions.Allowed((tightest, left), now, -granted[i], source)]);
            if (granted[i] <= 0) continue;
            var told = new RateLimitDecision[ticket.Calls];
            for (var call = 0; call < granted[i]; call++)
            {
                left -= ticket.Permits;
                told[call] = decisions.Allowed((tightest, left), now, at, source);
            }

            counters.Decided(Policy.Name, Outcome.Allowed, source, (int)granted[i]);
            if (granted[i] == ticket.Calls) ticket.Decide(told);
            else Deny(ticket, now, source, told, (int)granted[i]);
        }

        for (var i = 0; i < batch.Count; i++)
        {
            if (granted[i] == 0) batch[i].EndDeciding();
        }

        // In line are still those that were there before and have not been granted now.
        line.RemoveDecided();
        var clock = logs.Now;
        for (var i = 0; i < batch.Count; i++)
        {
            if (!batch[i].Decided.IsCompleted && !line.Holds(batch[i])) HoldOrDeny(batch[i], clock, now, source);
        }
    }
}
