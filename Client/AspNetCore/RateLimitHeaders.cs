using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>
/// The headers of draft-ietf-httpapi-ratelimit-headers-11, from a decision. Seconds are whole there: all are rounded up, so
/// that who keeps to them never comes too early.
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

    /// <summary>All windows of the policy: "search";q=10;w=1, or where there are several: "search.1s";q=10;w=1, "search.1h";q=1000;w=3600.</summary>
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
    /// The window that binds: "search";r=3;t=1. Of a grant, t is when all its permits are free again; of a denial, when those
    /// asked for are, as <c>Retry-After</c> says: the draft wants that not to be the earlier of the two.
    /// </summary>
    public static string LimitOf(RateLimitDecision decision, bool showsShadowDenials)
    {
        var after = decision.IsAllowed ? decision.ResetAfter : decision.RetryAfter;
        var seconds = decision.IsAllowed && after <= TimeSpan.Zero ? 0 : SecondsOf(after);
        var shadow = showsShadowDenials && decision.IsShadowDenial ? ";actors-shadow-denial" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"\"{NameOf(decision, decision.Window)}\";r={Math.Max(0, decision.Remaining)};t={seconds}{shadow}");
    }

    /// <summary>Whole seconds, rounded up, and never 0.</summary>
    public static long SecondsOf(TimeSpan time) => Math.Max(1, (time.Ticks + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond);

    /// <summary>The name of a window among the others of its policy; that of the policy where it has only one.</summary>
    public static string NameOf(RateLimitDecision decision, RateLimitWindow window) =>
        decision.Windows.Length == 1 ? decision.Policy : $"{decision.Policy}.{Short(window.Duration)}";

    // In the largest unit that it is a whole number of.
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
