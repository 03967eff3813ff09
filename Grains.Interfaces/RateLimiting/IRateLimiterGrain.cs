namespace Actors;

/// <summary>
/// The limits of one client, enforced exactly over the whole cluster: no window (t - duration, t] grants more permits than its
/// limit, by the clock of Redis, regardless of concurrency and of the silo that holds the client.
/// </summary>
/// <remarks>
/// The key is the client id: 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, not blank. All calls throw
/// <see cref="InvalidRateLimitException"/> for values outside of <see cref="RateLimits"/> and for a policy that is neither
/// configured nor set for this client; nothing is charged then. While Redis is unavailable, decisions follow the policy's
/// <see cref="RateLimitPolicy.OnRedisDown"/>.
/// </remarks>
[Alias("Actors.IRateLimiterGrain")]
public interface IRateLimiterGrain : IGrainWithStringKey
{
    /// <summary>
    /// Grants all permits in all windows of the policy, or denies and charges nothing. With <see cref="RateLimitRequest.MaxWait"/>, a
    /// call that cannot be granted now waits for its turn in order of arrival; it is denied at once if its turn would come too late.
    /// While calls wait, a call that does not wait is denied rather than granted ahead of them. A cancelled call gives up its place.
    /// It may have been granted at that moment, with its answer lost. Then <see cref="RefundAsync"/> returns the permits of a request
    /// id, and <see cref="RefundUnusedAsync"/> those of a <see cref="RateLimitRequest.CallId"/>, as the client library does.
    /// </summary>
    /// <exception cref="InvalidRateLimitException">
    /// A value is outside of <see cref="RateLimits"/>, the permits exceed the limit of a window, or the policy does not exist.
    /// </exception>
    /// <exception cref="OverloadedException">
    /// The silo's memory for limiters is full (<c>Actors:RateLimits:MaxMemory</c>) and no other client can be evicted, or this client
    /// has too many calls or request ids in progress. Nothing was charged: treat it as a denial with a time to retry.
    /// </exception>
    /// <exception cref="LimiterMovedException">The limiter moved to another activation during the wait; nothing was charged. Retry.</exception>
    [Alias("Acquire")]
    Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes several requests like <see cref="AcquireAsync"/> in one call, decided in order and independently. For callers that
    /// batch, as the client library does.
    /// </summary>
    /// <param name="requests">1 to <see cref="RateLimits.MaxBatch"/> requests, of any policies; none may wait.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer; permits granted by then stay charged.</param>
    /// <returns>The decisions, in the order of the requests.</returns>
    /// <inheritdoc cref="AcquireAsync" path="/exception"/>
    [Alias("AcquireMany")]
    Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken = default);

    /// <summary>Returns the decision that a call without a wait would get now. Charges nothing.</summary>
    [Alias("Peek")]
    Task<RateLimitDecision> PeekAsync(string policy = RateLimits.DefaultPolicy, int permits = 1, CancellationToken cancellationToken = default);

    /// <summary>
    /// Returns the permits granted to the request with this id, as if it had never been made, and forgets the id. Waiting calls
    /// can use the permits at once.
    /// </summary>
    /// <returns>
    /// The number of permits freed: 0 if no such grant is remembered (<see cref="RateLimits.RequestIdMemory"/>), or if it no longer
    /// counts in any window.
    /// </returns>
    /// <exception cref="StorageUnavailableException">Redis is unavailable, and the silo does not know this client's grants.</exception>
    [Alias("Refund")]
    Task<int> RefundAsync(string requestId, CancellationToken cancellationToken = default);

    /// <summary>
    /// Returns unused grants that have no request id. Do not return the same grants twice: that would free permits of others. The
    /// client library does not retry this call.
    /// </summary>
    /// <param name="grants">
    /// 1 to <see cref="RateLimits.MaxBatch"/> grants to this client, each charged (not those of a policy in shadow mode); with
    /// <see cref="UnusedGrant.CallId"/> also calls that may have been granted.
    /// </param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    /// <returns>
    /// The number of permits freed: those that still count, in a log of up to 1000 entries. A longer log would have to be rewritten,
    /// so the grants of such a client, which has many permits, stay charged.
    /// </returns>
    /// <exception cref="InvalidRateLimitException">A value is outside of <see cref="RateLimits"/>, or the policy does not exist.</exception>
    /// <exception cref="StorageUnavailableException">Redis is unavailable, and the silo does not know this client's grants.</exception>
    [Alias("RefundUnused")]
    Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken = default);

    /// <summary>Empties the windows of a policy: all its permits are free again. Request ids are still remembered.</summary>
    /// <exception cref="StorageUnavailableException">Redis is unavailable; nothing was changed.</exception>
    [Alias("Reset")]
    Task ResetAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default);

    /// <summary>
    /// Sets a policy for this client only, which overrides a configured one of the same name. Past usage is kept and counts against
    /// the new windows at once.
    /// </summary>
    /// <exception cref="InvalidRateLimitException">The policy is outside of <see cref="RateLimits"/>.</exception>
    /// <exception cref="StorageUnavailableException">Redis is unavailable; nothing was changed.</exception>
    [Alias("SetPolicy")]
    Task SetPolicyAsync(RateLimitPolicy policy, CancellationToken cancellationToken = default);

    /// <summary>Removes a policy set for this client, so that a configured one of that name applies again.</summary>
    /// <returns>True if there was one.</returns>
    /// <exception cref="StorageUnavailableException">Redis is unavailable; nothing was changed.</exception>
    [Alias("RemovePolicy")]
    Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken = default);

    /// <summary>Returns the policy of that name that applies to this client: its own, else the configured one.</summary>
    [Alias("GetPolicy")]
    Task<RateLimitPolicy> GetPolicyAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default);
}
