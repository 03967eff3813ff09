namespace Actors;

/// <summary>The charge of a <see cref="GrainPartitionedRateLimiter{TResource}"/> for a resource.</summary>
/// <param name="ClientId">The client to charge: 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, not blank.</param>
/// <param name="Policy">The policy; null for that of the options.</param>
/// <param name="Permits">The permits to charge for each requested permit.</param>
public readonly record struct RateLimitTarget(string ClientId, string? Policy = null, int Permits = 1);
