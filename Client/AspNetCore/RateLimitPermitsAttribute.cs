namespace Actors;

/// <summary>Sets how many permits a request to this endpoint takes. Default: 1.</summary>
/// <param name="permits">1 to the limit of the policy.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class RateLimitPermitsAttribute(int permits) : Attribute
{
    /// <summary>The permits.</summary>
    public int Permits { get; } = permits is >= 1 and <= RateLimits.MaxLimit
        ? permits
        : throw new ArgumentOutOfRangeException(nameof(permits), permits, $"Use 1 to {RateLimits.MaxLimit}.");
}
