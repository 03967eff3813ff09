using System.Globalization;

namespace Actors.Harness.Limits;

/// <summary>The guarantee: at most <paramref name="Limit"/> permits in any (t - <paramref name="Duration"/>, t].</summary>
public readonly record struct LimitWindow(int Limit, TimeSpan Duration)
{
    internal long Microseconds => Duration.Ticks / TimeSpan.TicksPerMicrosecond;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Limit}/{Duration.TotalSeconds:0.###} s");

    /// <summary>Windows as environment variables of a silo.</summary>
    public static IReadOnlyDictionary<string, string> SettingsOf(string policy, params IReadOnlyList<LimitWindow> windows) => windows
        .SelectMany((window, index) => (KeyValuePair<string, string>[])
        [
            new($"Actors__RateLimits__Policies__{policy}__Windows__{index}__Limit", $"{window.Limit}"),
            new($"Actors__RateLimits__Policies__{policy}__Windows__{index}__Duration", window.Duration.ToString("c", CultureInfo.InvariantCulture)),
        ])
        .ToDictionary();
}
