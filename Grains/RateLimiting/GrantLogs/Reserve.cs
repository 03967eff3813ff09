namespace Actors.RateLimiting;

/// <summary>
/// Permits that Redis charges before any call asks for them. For a short time the owner of the log may grant them without a
/// script call, so frequent clients need one script call for several grants. The next script call reports what was granted and
/// frees the rest. A later owner does not know the rest: it counts all of them as granted and grants nothing until they expire.
/// </summary>
/// <param name="grants">The owner's copy of the log.</param>
/// <remarks>
/// Belongs to one grain, whose turns run one at a time. A script reports what was granted, so nothing is granted while one is in
/// flight.
/// </remarks>
internal sealed class Reserve(GrantLog grants)
{
    /// <summary>How long permits are reserved, in microseconds.</summary>
    public const long Life = 2_000_000;

    /// <summary>
    /// How long an activation that took over a recently used log reserves no permits, in microseconds. Competing activations
    /// would otherwise make each other wait for their reserves to expire.
    /// </summary>
    public const long Quiet = 10_000_000;

    /// <summary>
    /// Grants from a reserve within this time are merged at the later moment; in microseconds. The Redis clock is not known
    /// more precisely.
    /// </summary>
    public const long Tick = 1000;

    /// <summary>The maximum of merged grants before a script call must report them, because a script blocks Redis.</summary>
    public const int MaxNotes = 100;

    // The last member of the log in Redis, if it is a reserve: its permits (0 if it is none), all permits charged, and when it
    // expires on the Redis clock.
    private long _permits;
    private long _charged;
    private long _until;

    // How many entries of the copy were granted from it.
    private int _notes;

    private bool Exists => _permits > 0;

    /// <summary>The permits that Redis counts as granted and no caller has received yet.</summary>
    public long Left => Exists ? _charged - grants.Total : 0;

    /// <summary>All permits charged in Redis.</summary>
    public long Charged => Exists ? _charged : grants.Total;

    /// <summary>The grants made from the reserve; null if there is no reserve.</summary>
    public IReadOnlyList<(long At, long Before, long Permits)>? Granted => Exists ? grants.Last(_notes) : null;

    /// <summary>Redis has charged these permits on top of all grants.</summary>
    public void Open(long permits, long until) => (_permits, _charged, _until, _notes) = (permits, grants.Total + permits, until, 0);

    /// <summary>The log in Redis ends with no reserve, or one that is not ours.</summary>
    public void Close() => _permits = 0;

    /// <summary>True if Redis counts more in a window of this length than was granted, or counts it for longer.</summary>
    public bool IsHoldingBack(long earliest, long longest) => Exists && earliest < _until + longest;

    /// <summary>Grants from the reserve if it holds enough.</summary>
    /// <param name="permits">All permits of the granted calls.</param>
    /// <param name="latest">The latest time that the server's clock may show now.</param>
    /// <param name="at">The time from which the grants count.</param>
    public bool TryGrant(long permits, long latest, out long at)
    {
        at = Math.Max(latest, grants.Newest + 1);
        if (permits > Left || at > _until || _notes == MaxNotes) return false;
        if (_notes > 0 && at / Tick == grants.Newest / Tick)
        {
            grants.AddToLast(at, permits);
            return true;
        }

        grants.Add(at, permits);
        _notes++;
        return true;
    }
}
