namespace Actors;

/// <summary>What is asked of a limiter. Without anything set: one permit of the default policy, answered now.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitRequest")]
public sealed record RateLimitRequest
{
    /// <summary>The request used where none is given.</summary>
    public static RateLimitRequest Default { get; } = new();

    /// <summary>The policy whose windows are charged. Default: <see cref="RateLimits.DefaultPolicy"/>.</summary>
    [Id(0)] public string Policy { get; init; } = RateLimits.DefaultPolicy;

    /// <summary>How many permits, all or none: 1 to the limit of the policy's smallest window. Default: 1.</summary>
    [Id(1)] public int Permits { get; init; } = 1;

    /// <summary>
    /// Names this request, so that repeating it is safe: one that was granted already is granted again and not charged again.
    /// Names are of the client, not of the policy: 1 to <see cref="RateLimits.MaxRequestIdBytes"/> bytes, remembered over
    /// fail-over for <see cref="RateLimits.RequestIdMemory"/>, the last <see cref="RateLimits.RememberedRequests"/> of a client.
    /// </summary>
    [Id(2)] public string? RequestId { get; init; }

    /// <summary>
    /// How long to wait for the permits at most: 0 to <see cref="RateLimits.MaxWait"/>. Default: zero, answer now.
    /// </summary>
    [Id(3)] public TimeSpan MaxWait { get; init; }

    /// <summary>
    /// Tells this call from all others, so that what it is granted just as its caller leaves can be given back
    /// (<see cref="IRateLimiterGrain.RefundUnusedAsync"/>). The client library sets it for calls that wait. It is no request id:
    /// it is known only to the activation that granted the call, for a minute, the last 1000 of a client.
    /// </summary>
    [Id(4)] public Guid? CallId { get; init; }
}
