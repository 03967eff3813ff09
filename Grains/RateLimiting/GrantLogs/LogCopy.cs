namespace Actors.RateLimiting;

/// <summary>
/// The owner's copy of the grant log of one client under one policy, with the windows it is counted in, the clock of its times, and
/// what Redis lacks of it.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain. While a script is in flight only the windows may change (<see cref="ExclusiveQueue"/>).
/// </remarks>
internal sealed class LogCopy
{
    private readonly SiloRedisClock _clock;
    private readonly LimiterCounters _counters;
    private readonly ILimiterHost _host;
    private ServerClock _known;

    // Created when needed, because most clients use no names.
    private PendingNames? _names;

    public LogCopy(string client, RateLimitPolicy policy, SiloRedisClock clock, LimiterCounters counters, ILimiterHost host)
    {
        (_clock, _counters, _host, _known) = (clock, counters, host, clock.Known);
        (Client, Windows, Reserve) = (client, new Windows(policy), new Reserve(Grants));
    }

    public string Client { get; }

    /// <summary>The windows of the policy; a grant counts in all of them.</summary>
    public Windows Windows { get; set; }

    public RateLimitPolicy Policy => Windows.Policy;

    /// <summary>The copy of the log.</summary>
    public GrantLog Grants { get; } = new();

    /// <summary>The names that Redis lacks.</summary>
    public PendingNames Names => _names ??= new();

    /// <summary>The permits that Redis has charged ahead.</summary>
    public Reserve Reserve { get; }

    /// <summary>True if the log in Redis differs and must be replaced by the copy.</summary>
    public bool IsUnsynced { get; private set; }

    /// <summary>The memory of the log.</summary>
    public long Bytes => Grants.Bytes + (_names?.Bytes ?? 0);

    /// <summary>The bounds of the Redis clock, or a guess while Redis has never answered.</summary>
    public ServerClock Clock => _known.IsKnown ? _known : _clock.Guessed;

    /// <summary>The earliest time that the Redis clock may show now; 0 while Redis has never answered.</summary>
    public long KnownEarliest => _known.IsKnown ? _known.Earliest(_clock.Now) : 0;

    /// <summary>The earliest time that the Redis clock may show now.</summary>
    public long Earliest => Clock.Earliest(_clock.Now);

    /// <summary>The latest time that the Redis clock may show now.</summary>
    public long Latest => Clock.Latest(_clock.Now);

    /// <summary>True if Redis counts more in a window than was granted, or counts it for longer.</summary>
    public bool IsHoldingBack => Reserve.IsHoldingBack(Earliest, Windows.Longest);

    /// <summary>Learns the time from a response.</summary>
    public void Observe(DecideResponse response)
    {
        // Grants before the first response carry guessed times. The server read its clock after the call was sent, so no grant
        // moves to before it was made.
        if (!_known.IsKnown) Grants.Shift(response.Time - Clock.Latest(response.Taken.Sent));
        _known.Observe(response.Time, response.Taken.Sent, response.Taken.Received);
    }

    /// <summary>Adds a grant made without Redis.</summary>
    public void Grant(long at, long permits)
    {
        if (Grants.Count >= Windows.DenseFrom && at / Windows.Tick == Grants.Newest / Windows.Tick) Grants.AddToLast(at, permits);
        else Grants.Add(at, permits);
        MarkDirty();
        _host.OnUnsynced(TimeSpan.FromMicroseconds(Windows.Longest));
    }

    /// <summary>Takes back a grant, as far as it still counts.</summary>
    /// <returns>The permits that become free.</returns>
    public int Refund(long at, int permits)
    {
        Grants.Trim(Latest - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Windows.Tick : 1);
        MarkDirty();
        return freed;
    }

    /// <summary>
    /// Takes back a grant that has no name. It may come from the reserve, whose grants within a tick are merged into one entry.
    /// </summary>
    /// <returns>The permits that become free.</returns>
    public int RefundUnused(long at, int permits)
    {
        Grants.Trim(Latest - Windows.Longest);
        var freed = Grants.Remove(at, permits, Grants.Count >= Windows.DenseFrom ? Math.Max(Windows.Tick, Reserve.Tick) : Reserve.Tick);
        if (freed > 0) MarkDirty();
        return freed;
    }

    /// <summary>Merges grants of another copy; a grant with the same time and permits counts once.</summary>
    public void Merge(IReadOnlyList<(long At, long Permits)> others)
    {
        var all = others.Union(Grants.ToArray()).OrderBy(grant => grant.At).ToList();
        Grants.Clear();
        foreach (var (at, permits) in all) Grants.Add(Math.Max(at, Grants.Newest + 1), permits);
    }

    /// <summary>
    /// The state that the next owner cannot read from Redis; <see cref="LogHandoff.IsEmpty"/> if there is none.
    /// </summary>
    /// <param name="isAll">True if the next owner can read nothing from Redis.</param>
    public LogHandoff HandOff(bool isAll)
    {
        Grants.Trim(Earliest - Windows.Longest);
        return new()
        {
            Policy = Policy,
            Grants = IsUnsynced || isAll ? [.. Grants.ToArray().SelectMany(grant => new[] { grant.At, grant.Permits })] : [],
            Noted = [.. Names.Noted],
            Forgotten = [.. Names.Forgotten],
            Time = Latest,
            IsTimeKnown = _known.IsKnown,
        };
    }

    /// <summary>Merges the state of an earlier activation that may be missing in Redis.</summary>
    public void TakeOver(LogHandoff handoff)
    {
        if (!_known.IsKnown && Grants.Count == 0) _known = _clock.Known;

        // The times of a guessed clock are comparable only as ages.
        var shift = handoff.IsTimeKnown && _known.IsKnown ? 0 : Latest - handoff.Time;
        Merge([.. handoff.Grants.Chunk(2).Select(grant => (grant[0] + shift, grant[1]))]);
        Names.TakeOver(handoff, shift);
        MarkDirty();
    }

    /// <summary>Records that the log in Redis is, or may be, older than the copy.</summary>
    public void MarkDirty()
    {
        // The replacement of the log also replaces the reserve by the grants made from it.
        Reserve.Close();
        if (IsUnsynced) return;
        IsUnsynced = true;
        _counters.AddUnsynced(1);
        _host.OnUnsynced(TimeSpan.FromMicroseconds(Windows.Longest));
    }

    /// <summary>Records that the copy has replaced the log in Redis.</summary>
    public void MarkSynced()
    {
        Reserve.Close();
        if (IsUnsynced) _counters.AddUnsynced(-1);
        IsUnsynced = false;
    }

    /// <summary>The limiter has ended; what Redis lacks now is handed off.</summary>
    public void Release()
    {
        if (IsUnsynced) _counters.AddUnsynced(-1);
    }
}
