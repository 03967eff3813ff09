namespace Actors.Redis;

/// <summary>
/// The time on all clocks a silo knows. A promise with a duration must not end early because one clock is wrong. So data is
/// stamped with the latest time and expires by the earliest.
/// </summary>
/// <param name="Now">The time that all silos agree on.</param>
/// <param name="Earliest">The time on the clock that is furthest behind.</param>
/// <param name="Latest">The time on the clock that is furthest ahead.</param>
internal readonly record struct ClockReading(DateTimeOffset Now, DateTimeOffset Earliest, DateTimeOffset Latest)
{
    /// <summary>A reading from clocks that all agree.</summary>
    public static implicit operator ClockReading(DateTimeOffset now) => new(now, now, now);
}
