using System.Globalization;

namespace Actors;

/// <summary>A sliding window: at any moment t, at most <see cref="Limit"/> permits granted in (t - <see cref="Duration"/>, t].</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitWindow")]
public sealed record RateLimitWindow
{
    /// <summary>Creates a window of <paramref name="limit"/> permits per <paramref name="duration"/>.</summary>
    public RateLimitWindow(int limit, TimeSpan duration) => (Limit, Duration) = (limit, duration);

    /// <summary>Permits per duration: 1 to <see cref="RateLimits.MaxLimit"/>.</summary>
    [Id(0)] public int Limit { get; init; }

    /// <summary>
    /// <see cref="RateLimits.MinDuration"/> to <see cref="RateLimits.MaxDuration"/>. A grant of exactly this age no longer counts.
    /// </summary>
    [Id(1)] public TimeSpan Duration { get; init; }

    /// <summary>A readable form, e.g. "100 per 00:01:00".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Limit} per {Duration:c}");
}
