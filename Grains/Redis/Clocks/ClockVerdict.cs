namespace Actors.Redis;

/// <summary>What follows from holding clocks against each other.</summary>
/// <param name="IsOwnOff">True if this machine's clock is off by more than the limit.</param>
/// <param name="Problem">What is wrong, in a line; null if no clock is off by more than the limit.</param>
internal readonly record struct ClockVerdict(bool IsOwnOff, string? Problem)
{
    /// <summary>
    /// Judges by majority: a single other clock that differs, or all of them, speak against this machine's; one of several
    /// speaks against itself.
    /// </summary>
    public static ClockVerdict Of(IReadOnlyList<ClockSkew> skews, TimeSpan limit)
    {
        var off = skews.Where(skew => skew.AtLeast > limit).ToList();
        if (off.Count == 0) return default;
        var allowed = FormattableString.Invariant($"allowed are {limit.TotalSeconds:0.###} s (Actors:MaxClockSkew)");
        if (off.Count == skews.Count)
        {
            return new ClockVerdict(
                true, $"This machine's clock is {string.Join(" and ", off)}; {allowed}. Set the clock, best by NTP, or allow more.");
        }

        var right = skews.First(skew => skew.AtLeast <= limit);
        return new ClockVerdict(
            false, $"The clocks of {off[0].Reference} and {right.Reference} differ: this machine's is {off[0]}, and agrees with the other; {allowed}.");
    }
}
