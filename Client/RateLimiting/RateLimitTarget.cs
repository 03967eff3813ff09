namespace Actors;

/// <summary>What a <see cref="GrainPartitionedRateLimiter{TResource}"/> charges for a resource.</summary>
/// <param name="ClientId">Whom: 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL.</param>
/// <param name="Policy">By which policy; null is that of the options.</param>
/// <param name="Permits">How many permits, for each that is asked for.</param>
public readonly record struct RateLimitTarget(string ClientId, string? Policy = null, int Permits = 1);
