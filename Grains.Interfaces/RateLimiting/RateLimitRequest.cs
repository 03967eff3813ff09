namespace Actors;

/// <summary>A request to a limiter. Default: one permit of the default policy, answered immediately.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitRequest")]
public sealed record RateLimitRequest
{
    /// <summary>The request used by default.</summary>
    public static RateLimitRequest Default { get; } = new();

    /// <summary>The policy whose windows are charged. Default: <see cref="RateLimits.DefaultPolicy"/>.</summary>
    [Id(0)] public string Policy { get; init; } = RateLimits.DefaultPolicy;

    /// <summary>The permits to acquire, all or none: 1 to the limit of the policy's smallest window. Default: 1.</summary>
    [Id(1)] public int Permits { get; init; } = 1;

    /// <summary>
    /// An idempotency key that makes retries safe: a request that was granted already is granted again without another charge. Keys
    /// belong to the client, not to the policy: 1 to <see cref="RateLimits.MaxRequestIdBytes"/> bytes. The last
    /// <see cref="RateLimits.RememberedRequests"/> of a client are remembered for <see cref="RateLimits.RequestIdMemory"/>, also over
    /// failover.
    /// </summary>
    [Id(2)] public string? RequestId { get; init; }

    /// <summary>
    /// The maximum time to wait for the permits: 0 to <see cref="RateLimits.MaxWait"/>. Default: zero, answer immediately.
    /// </summary>
    [Id(3)] public TimeSpan MaxWait { get; init; }

    /// <summary>
    /// Identifies this call, so that a grant made just as its caller gives up can be returned
    /// (<see cref="IRateLimiterGrain.RefundUnusedAsync"/>). The client library sets it for calls that wait. It is not a request id: only
    /// the activation that granted the call knows it, for a minute, the last 1000 of a client.
    /// </summary>
    [Id(4)] public Guid? CallId { get; init; }
}
