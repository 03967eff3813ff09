using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary>Parses and formats windows: "10/1s", "1000/1h", "5/500ms", "100/min".</summary>
internal static class WindowText
{
    /// <exception cref="UsageException">The text is not a window, or violates <see cref="RateLimits"/>.</exception>
    public static RateLimitWindow Parse(string text)
    {
        if (text.Split('/') is not [var permits, var per])
            throw Invalid(text, "it is not PERMITS/DURATION");
        if (!int.TryParse(permits, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) || limit is < 1 or > RateLimits.MaxLimit)
            throw Invalid(text, $"'{Text.Short(permits)}' is not a valid number of permits");
        if (!DurationText.TryParse(per, out var duration) || duration < RateLimits.MinDuration || duration > RateLimits.MaxDuration)
            throw Invalid(text, $"'{Text.Short(per)}' is not a valid window duration");
        return new(limit, duration);
    }

    public static string Of(RateLimitWindow window) => $"{window.Limit.ToString(CultureInfo.InvariantCulture)}/{DurationText.Of(window.Duration)}";

    public static string Of(IEnumerable<RateLimitWindow> windows) => string.Join(", ", windows.Select(Of));

    private static UsageException Invalid(string text, string problem) => new(
        $"--limit '{Text.Short(text)}': {problem}; use 1 to {Text.Of(RateLimits.MaxLimit)} permits per " +
        $"{DurationText.Of(RateLimits.MinDuration)} to {DurationText.Of(RateLimits.MaxDuration)}, e.g. 10/1s, 5/500ms, 100/min or 1000/1h");
}
