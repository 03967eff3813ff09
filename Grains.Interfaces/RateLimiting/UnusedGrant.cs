namespace Actors;

/// <summary>A grant without a request id whose permits were never used: its caller left, or another limiter denied the call.</summary>
/// <param name="Policy">The policy that was charged.</param>
/// <param name="Permits">The permits of the call.</param>
/// <param name="DecidedAt">The grant's <see cref="RateLimitDecision.DecidedAt"/>; not looked at with a <see cref="CallId"/>.</param>
[GenerateSerializer, Immutable, Alias("Actors.UnusedGrant")]
public sealed record UnusedGrant(
    [property: Id(0)] string Policy, [property: Id(1)] int Permits, [property: Id(2)] DateTimeOffset DecidedAt)
{
    /// <summary>
    /// The <see cref="RateLimitRequest.CallId"/> of a call that was given up without an answer, and may have been granted or not;
    /// null where it is known that, and when, it was.
    /// </summary>
    [Id(3)] public Guid? CallId { get; init; }
}
