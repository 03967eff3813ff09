namespace Actors;

/// <summary>A grant without a request id whose permits were never used: its caller gave up, or another limiter denied the call.</summary>
/// <param name="Policy">The policy that was charged.</param>
/// <param name="Permits">The permits of the call.</param>
/// <param name="DecidedAt">The grant's <see cref="RateLimitDecision.DecidedAt"/>; ignored if there is a <see cref="CallId"/>.</param>
[GenerateSerializer, Immutable, Alias("Actors.UnusedGrant")]
public sealed record UnusedGrant(
    [property: Id(0)] string Policy, [property: Id(1)] int Permits, [property: Id(2)] DateTimeOffset DecidedAt)
{
    /// <summary>
    /// The <see cref="RateLimitRequest.CallId"/> of a call that was abandoned without an answer, so it may or may not have been
    /// granted. Null if the grant and its time are known.
    /// </summary>
    [Id(3)] public Guid? CallId { get; init; }
}
