using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// The metadata of a <see cref="GrainRateLimiter"/>'s leases. Leases that are not acquired also have
/// <see cref="MetadataName.RetryAfter"/> and <see cref="MetadataName.ReasonPhrase"/>. A lease that the cluster did not decide has
/// only <see cref="IsUndecided"/> of these.
/// </summary>
public static class RateLimitMetadata
{
    internal const string DecisionName = "ACTORS_DECISION";
    internal const string PolicyName = "ACTORS_POLICY";
    internal const string LimitName = "ACTORS_LIMIT";
    internal const string RemainingName = "ACTORS_REMAINING";
    internal const string ResetAfterName = "ACTORS_RESET_AFTER";
    internal const string SourceName = "ACTORS_SOURCE";
    internal const string IsUndecidedName = "ACTORS_IS_UNDECIDED";

    /// <summary>The whole decision of the cluster.</summary>
    public static MetadataName<RateLimitDecision> Decision { get; } = MetadataName.Create<RateLimitDecision>(DecisionName);

    /// <summary>The name of the policy.</summary>
    public static MetadataName<string> Policy { get; } = MetadataName.Create<string>(PolicyName);

    /// <summary>The limit of the binding window.</summary>
    public static MetadataName<int> Limit { get; } = MetadataName.Create<int>(LimitName);

    /// <summary>The permits left in the binding window after this lease.</summary>
    public static MetadataName<int> Remaining { get; } = MetadataName.Create<int>(RemainingName);

    /// <summary>The time until all its permits are free, if none is granted meanwhile.</summary>
    public static MetadataName<TimeSpan> ResetAfter { get; } = MetadataName.Create<TimeSpan>(ResetAfterName);

    /// <summary>Whether the decision was made with Redis.</summary>
    public static MetadataName<RateLimitSource> Source { get; } = MetadataName.Create<RateLimitSource>(SourceName);

    /// <summary>
    /// True if the limits of the cluster did not decide: it did not answer (<see cref="WhenUnreachable"/>), or it was overloaded. Only
    /// such leases have it.
    /// </summary>
    public static MetadataName<bool> IsUndecided { get; } = MetadataName.Create<bool>(IsUndecidedName);
}
