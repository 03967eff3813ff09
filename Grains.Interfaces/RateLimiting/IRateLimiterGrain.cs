namespace Actors;

/// <summary>
/// The limits of one client, held exactly over the whole cluster: in no window (t - duration, t] are more permits granted
/// than its limit, by the clock of Redis, whatever the concurrency, and whichever silo the client is on.
/// </summary>
/// <remarks>
/// The key is the client id: 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL. All calls throw
/// <see cref="InvalidRateLimitException"/> for what is outside of <see cref="RateLimits"/> and for a policy that is neither
/// configured nor this client's own; nothing is charged then. While Redis is away decisions go on as the policy says
/// (<see cref="RateLimitPolicy.OnRedisDown"/>).
/// </remarks>
[Alias("Actors.IRateLimiterGrain")]
public interface IRateLimiterGrain : IGrainWithStringKey
{
    /// <summary>
    /// Grants the permits, all of them in all windows of the policy, or denies and charges nothing. With
    /// <see cref="RateLimitRequest.MaxWait"/> a call that cannot be granted now waits for its turn, first come, first served;
    /// one whose turn comes too late is denied at once. While calls wait, one that does not is denied rather than let past.
    /// A call that is cancelled gives up its place; at that moment it may have been granted, and its answer is lost. With a
    /// request id <see cref="RefundAsync"/> gives it back then, and with a <see cref="RateLimitRequest.CallId"/>
    /// <see cref="RefundUnusedAsync"/>, as the client library does.
    /// </summary>
    /// <exception cref="InvalidRateLimitException">
    /// The request is outside of <see cref="RateLimits"/>, asks for more permits than a window has, or names no policy.
    /// </exception>
    /// <exception cref="OverloadedException">
    /// The silo's memory for limiters is full (<c>Actors:RateLimits:MaxMemory</c>) and no other client can leave it, or this client
    /// has more calls or request ids under way than it may. Nothing was charged: it is a denial, and says when to come back.
    /// </exception>
    /// <exception cref="LimiterMovedException">The limiter moved to another activation while the call waited; nothing was charged. Repeat the call.</exception>
    [Alias("Acquire")]
    Task<RateLimitDecision> AcquireAsync(RateLimitRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// As many calls of <see cref="AcquireAsync"/>, in one: decided in order, each by itself. For callers that gather, as the
    /// client library does.
    /// </summary>
    /// <param name="requests">1 to <see cref="RateLimits.MaxBatch"/> requests, of any policies; none may wait.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer; what is granted by then is charged.</param>
    /// <returns>The decisions, position by position.</returns>
    /// <inheritdoc cref="AcquireAsync" path="/exception"/>
    [Alias("AcquireMany")]
    Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests, CancellationToken cancellationToken = default);

    /// <summary>The decision that a call without a wait would get now. Charges nothing.</summary>
    [Alias("Peek")]
    Task<RateLimitDecision> PeekAsync(string policy = RateLimits.DefaultPolicy, int permits = 1, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives back what the request with this id was granted, as if it had never been; its id is forgotten. Who waits is
    /// served from it at once.
    /// </summary>
    /// <returns>
    /// How many permits that frees: 0 where no such grant is remembered (<see cref="RateLimits.RequestIdMemory"/>), or where it
    /// counts in no window any more.
    /// </returns>
    /// <exception cref="StorageUnavailableException">Redis is away, and this client's grants are not known here.</exception>
    [Alias("Refund")]
    Task<int> RefundAsync(string requestId, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives back grants without a request id that nobody used. The same grants must not be given back twice: that would free
    /// permits of others. The client library does not repeat this call.
    /// </summary>
    /// <param name="grants">
    /// 1 to <see cref="RateLimits.MaxBatch"/> grants that this client got, each charged (not those of a policy in shadow mode); by
    /// <see cref="UnusedGrant.CallId"/> also calls that may have got one.
    /// </param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    /// <returns>
    /// How many permits that frees: those that still count, in a log of up to 1000 entries. A longer log would have to be written
    /// anew; of such a client, with many permits, the grants stay charged.
    /// </returns>
    /// <exception cref="InvalidRateLimitException">A grant is outside of <see cref="RateLimits"/>, or names no policy.</exception>
    /// <exception cref="StorageUnavailableException">Redis is away, and this client's grants are not known here.</exception>
    [Alias("RefundUnused")]
    Task<int> RefundUnusedAsync(UnusedGrant[] grants, CancellationToken cancellationToken = default);

    /// <summary>Empties the windows of a policy: all its permits are free again. Request ids stay known.</summary>
    /// <exception cref="StorageUnavailableException">Redis is away; nothing was changed.</exception>
    [Alias("Reset")]
    Task ResetAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives this client a policy of its own, over the configured one of the same name if there is one. Usage so far is
    /// kept, and counts against the new windows at once.
    /// </summary>
    /// <exception cref="InvalidRateLimitException">The policy is outside of <see cref="RateLimits"/>.</exception>
    /// <exception cref="StorageUnavailableException">Redis is away; nothing was changed.</exception>
    [Alias("SetPolicy")]
    Task SetPolicyAsync(RateLimitPolicy policy, CancellationToken cancellationToken = default);

    /// <summary>Takes this client's own policy away, so that the configured one of that name counts again, if there is one.</summary>
    /// <returns>True where there was one.</returns>
    /// <exception cref="StorageUnavailableException">Redis is away; nothing was changed.</exception>
    [Alias("RemovePolicy")]
    Task<bool> RemovePolicyAsync(string policy, CancellationToken cancellationToken = default);

    /// <summary>The policy of that name that counts for this client: its own, else the configured one.</summary>
    [Alias("GetPolicy")]
    Task<RateLimitPolicy> GetPolicyAsync(string policy = RateLimits.DefaultPolicy, CancellationToken cancellationToken = default);
}
