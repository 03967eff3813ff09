using System.Globalization;

namespace Actors;

/// <summary>A sliding window: at any moment t, at most <paramref name="Limit"/> permits granted in (t - duration, t].</summary>
/// <param name="Limit">Permits per duration: 1 to <see cref="RateLimits.MaxLimit"/>.</param>
/// <param name="Duration">
/// <see cref="RateLimits.MinDuration"/> to <see cref="RateLimits.MaxDuration"/>. A grant aged exactly this much counts no more.
/// </param>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitWindow")]
public sealed record RateLimitWindow(int Limit, TimeSpan Duration)
{
    /// <summary>For people: "100 per 00:01:00".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Limit} per {Duration:c}");
}
