namespace Actors.RateLimiting;

/// <summary>
/// Permits that are charged in Redis before anybody has asked for them. For a moment the owner of the log may grant them
/// without asking, so that a client that calls often takes one script call for several grants. With the next one the owner
/// tells what was granted, and when, and what was not is free again. A later owner, who cannot know, takes all of them for
/// granted, and grants nothing before their time is over.
/// </summary>
/// <param name="After">How many permits had been granted before the first of these.</param>
/// <param name="Permits">How many these are; 0 where there is no reserve.</param>
/// <param name="Until">Until when they may be granted, by the clock of Redis.</param>
internal readonly record struct Reserve(long After, long Permits, long Until)
{
    /// <summary>For how long permits are reserved, in microseconds.</summary>
    public const long Life = 2_000_000;

    /// <summary>
    /// For how long who took a log over from another that used it lately reserves nothing, in microseconds: where there are
    /// several, each would have the next one wait until its reserve is over.
    /// </summary>
    public const long Quiet = 10_000_000;

    /// <summary>
    /// Grants from a reserve within this time are noted together, at the later moment; in microseconds. The clock of Redis is
    /// not known here any better.
    /// </summary>
    public const long Tick = 1000;

    /// <summary>The most such notes until they are told to Redis: a script blocks it.</summary>
    public const int MaxNotes = 100;

    /// <summary>All permits that are charged in Redis.</summary>
    public long Charged => After + Permits;
}
