namespace Actors;

/// <summary>
/// The decision of a limiter. All figures are those of the binding window: for a grant the one with the fewest permits left, for
/// a denial the one that frees the permits last.
/// </summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitDecision")]
public sealed record RateLimitDecision
{
    /// <summary>True if the permits are granted. A policy in shadow mode always grants; see <see cref="IsShadowDenial"/>.</summary>
    [Id(0)] public required bool IsAllowed { get; init; }

    /// <summary>The name of the policy.</summary>
    [Id(1)] public required string Policy { get; init; }

    /// <summary>The binding window.</summary>
    [Id(2)] public required RateLimitWindow Window { get; init; }

    /// <summary>All windows of the policy, as it defines them.</summary>
    [Id(3)] public required RateLimitWindow[] Windows { get; init; }

    /// <summary>The permits left after this call.</summary>
    [Id(4)] public required int Remaining { get; init; }

    /// <summary>
    /// For a denial: the time until the requested permits are free, after the calls that wait, if no others take them. Zero for a
    /// grant.
    /// </summary>
    [Id(5)] public TimeSpan RetryAfter { get; init; }

    /// <summary>The time until all permits of the window are free, if none is granted meanwhile.</summary>
    [Id(6)] public TimeSpan ResetAfter { get; init; }

    /// <summary>Whether the decision was made with Redis.</summary>
    [Id(7)] public required RateLimitSource Source { get; init; }

    /// <summary>The time of the decision, by the clock of Redis, not of silos or clients. A grant counts from this time.</summary>
    [Id(8)] public required DateTimeOffset DecidedAt { get; init; }

    /// <summary>True if a policy in shadow mode would have denied the call; nothing was charged.</summary>
    [Id(9)] public bool IsShadowDenial { get; init; }

    /// <summary>The limit of the binding window, in permits per <see cref="RateLimitWindow.Duration"/>.</summary>
    public int Limit => Window.Limit;
}
