namespace Actors.RateLimiting;

/// <summary>
/// Permits that Redis charges before any call asks for them. For a short time the owner of the log may grant them without a
/// script call, so frequent clients need one script call for several grants. The next script call reports what was granted and
/// frees the rest. A later owner does not know the rest: it counts all of them as granted and grants nothing until they expire.
/// </summary>
/// <param name="After">The permits granted before the first of these.</param>
/// <param name="Permits">The number of permits; 0 if there is no reserve.</param>
/// <param name="Until">When they expire, on the Redis clock.</param>
internal readonly record struct Reserve(long After, long Permits, long Until)
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

    /// <summary>All permits charged in Redis.</summary>
    public long Charged => After + Permits;
}
