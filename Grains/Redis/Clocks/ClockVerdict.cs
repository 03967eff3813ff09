namespace Actors.Redis;

/// <summary>The result of a comparison of clocks.</summary>
/// <param name="IsOwnOff">True if this machine's clock is off by more than the limit.</param>
/// <param name="Problem">The problem in one line; null if no clock is off by more than the limit.</param>
internal readonly record struct ClockVerdict(bool IsOwnOff, string? Problem)
{
    /// <summary>
    /// Decides by majority. This machine's clock is wrong if it differs from all other clocks; another clock is wrong if only
    /// some of them differ.
    /// </summary>
    public static ClockVerdict Of(IReadOnlyList<ClockSkew> skews, TimeSpan limit)
    {
        var off = skews.Where(skew => skew.AtLeast > limit).ToList();
        if (off.Count == 0) return default;
        var allowed = FormattableString.Invariant($"at most {limit.TotalSeconds:0.###} s is allowed (Actors:MaxClockSkew)");
        if (off.Count == skews.Count)
        {
            return new ClockVerdict(
                true, $"This machine's clock is {string.Join(" and ", off)}; {allowed}. Set the clock (preferably with NTP) or raise the limit.");
        }

        var right = skews.First(skew => skew.AtLeast <= limit);
        return new ClockVerdict(
            false,
            $"The clocks of {off[0].Reference} and {right.Reference} differ: "
                + $"this machine's clock is {off[0]} and agrees with the other; {allowed}.");
    }
}
