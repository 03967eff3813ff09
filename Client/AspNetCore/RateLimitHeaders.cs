using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>
/// Writes the headers of draft-ietf-httpapi-ratelimit-headers-11. They use whole seconds, which are rounded up, so that a client
/// that follows them never retries too early.
/// </summary>
internal static class RateLimitHeaders
{
    public const string Policy = "RateLimit-Policy";
    public const string Limit = "RateLimit";

    public static void Write(IHeaderDictionary headers, RateLimitDecision decision, bool showsShadowDenials)
    {
        headers[Policy] = PolicyOf(decision);
        headers[Limit] = LimitOf(decision, showsShadowDenials);
    }

    /// <summary>All windows of the policy: "search";q=10;w=1, or if there are several: "search.1s";q=10;w=1, "search.1h";q=1000;w=3600.</summary>
    public static string PolicyOf(RateLimitDecision decision)
    {
        var items = new StringBuilder();
        foreach (var window in decision.Windows)
        {
            if (items.Length > 0) items.Append(", ");
            items.Append(CultureInfo.InvariantCulture, $"\"{NameOf(decision, window)}\";q={window.Limit};w={SecondsOf(window.Duration)}");
        }

        return items.ToString();
    }

    /// <summary>
    /// The binding window: "search";r=3;t=1. For a grant, t is the time until all its permits are free. For a denial, it is the time
    /// until the requested permits are free, like <c>Retry-After</c>, which by the draft must not be the earlier of the two.
    /// </summary>
    public static string LimitOf(RateLimitDecision decision, bool showsShadowDenials)
    {
        var after = decision.IsAllowed ? decision.ResetAfter : decision.RetryAfter;
        var seconds = decision.IsAllowed && after <= TimeSpan.Zero ? 0 : SecondsOf(after);
        var shadow = showsShadowDenials && decision.IsShadowDenial ? ";actors-shadow-denial" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"\"{NameOf(decision, decision.Window)}\";r={Math.Max(0, decision.Remaining)};t={seconds}{shadow}");
    }

    /// <summary>Whole seconds, rounded up, at least 1.</summary>
    public static long SecondsOf(TimeSpan time) => Math.Max(1, (time.Ticks + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond);

    /// <summary>The name of a window within its policy; the policy's name if it has only one.</summary>
    public static string NameOf(RateLimitDecision decision, RateLimitWindow window) =>
        decision.Windows.Length == 1 ? decision.Policy : $"{decision.Policy}.{Short(window.Duration)}";

    // In the largest unit that divides the duration.
    private static string Short(TimeSpan time)
    {
        ReadOnlySpan<(long Ticks, string Unit)> units =
        [
            (TimeSpan.TicksPerDay, "d"), (TimeSpan.TicksPerHour, "h"), (TimeSpan.TicksPerMinute, "m"), (TimeSpan.TicksPerSecond, "s"),
            (TimeSpan.TicksPerMillisecond, "ms"),
        ];
        foreach (var (ticks, unit) in units)
        {
            if (time.Ticks % ticks == 0) return string.Create(CultureInfo.InvariantCulture, $"{time.Ticks / ticks}{unit}");
        }

        return string.Create(CultureInfo.InvariantCulture, $"{time.TotalMicroseconds}us");
    }
}
