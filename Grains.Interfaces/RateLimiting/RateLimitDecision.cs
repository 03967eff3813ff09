namespace Actors;

/// <summary>
/// What a limiter decided. All figures are those of the window that binds: of a grant the one with the fewest permits left,
/// of a denial the one that frees the permits last.
/// </summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitDecision")]
public sealed record RateLimitDecision
{
    /// <summary>True where the permits are granted. A policy in shadow mode grants always; see <see cref="IsShadowDenial"/>.</summary>
    [Id(0)] public required bool IsAllowed { get; init; }

    /// <summary>The name of the policy.</summary>
    [Id(1)] public required string Policy { get; init; }

    /// <summary>The window that binds.</summary>
    [Id(2)] public required RateLimitWindow Window { get; init; }

    /// <summary>All windows of the policy, as it defines them.</summary>
    [Id(3)] public required RateLimitWindow[] Windows { get; init; }

    /// <summary>The permits left after this call.</summary>
    [Id(4)] public required int Remaining { get; init; }

    /// <summary>
    /// Of a denial: how long until the permits asked for are free, if no one else takes them, and behind those who wait. Zero
    /// for a grant.
    /// </summary>
    [Id(5)] public TimeSpan RetryAfter { get; init; }

    /// <summary>How long until all permits of the window are free, if none is granted meanwhile.</summary>
    [Id(6)] public TimeSpan ResetAfter { get; init; }

    /// <summary>Whether Redis stands behind the decision.</summary>
    [Id(7)] public required RateLimitSource Source { get; init; }

    /// <summary>When it was decided, by the clock of Redis; the clocks of silos and clients play no part. For a grant, the time it counts from.</summary>
    [Id(8)] public required DateTimeOffset DecidedAt { get; init; }

    /// <summary>True where a policy in shadow mode would have denied; nothing was charged.</summary>
    [Id(9)] public bool IsShadowDenial { get; init; }

    /// <summary>The limit of the window that binds, permits per <see cref="RateLimitWindow.Duration"/>.</summary>
    public int Limit => Window.Limit;
}
