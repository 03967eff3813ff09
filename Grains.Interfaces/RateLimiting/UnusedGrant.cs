namespace Actors;

/// <summary>A grant without a request id whose permits were never used: its caller left, or another limiter denied the call.</summary>
/// <param name="Policy">The policy that was charged.</param>
/// <param name="Permits">The permits of the call.</param>
/// <param name="DecidedAt">The grant's <see cref="RateLimitDecision.DecidedAt"/>.</param>
[GenerateSerializer, Immutable, Alias("Actors.UnusedGrant")]
public sealed record UnusedGrant(
    [property: Id(0)] string Policy, [property: Id(1)] int Permits, [property: Id(2)] DateTimeOffset DecidedAt);
