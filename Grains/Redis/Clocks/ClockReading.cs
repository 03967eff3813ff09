namespace Actors.Redis;

/// <summary>
/// The time by all clocks that a silo knows. A promise that holds for some time must not end early because one of them is
/// wrong: what is kept is stamped by the latest, and forgotten by the earliest.
/// </summary>
/// <param name="Now">The time that all silos agree on.</param>
/// <param name="Earliest">The time by the clock that is behind the others.</param>
/// <param name="Latest">The time by the clock that is ahead of the others.</param>
internal readonly record struct ClockReading(DateTimeOffset Now, DateTimeOffset Earliest, DateTimeOffset Latest)
{
    /// <summary>All clocks agree.</summary>
    public static implicit operator ClockReading(DateTimeOffset now) => new(now, now, now);
}
