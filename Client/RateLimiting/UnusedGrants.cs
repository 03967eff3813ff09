namespace Actors;

/// <summary>
/// Refunds unused grants in the background: the caller left before the answer came, or another limiter denied the call. Best
/// effort: a grant that cannot be refunded stays charged, so no limit is exceeded.
/// </summary>
internal sealed class UnusedGrants(Func<string, IRateLimiterGrain> grains)
{
    // Bounds the load that callers that leave put on the cluster.
    private const int MaxUnderWay = 1000;

    // Interlocked.
    private int _underWay;

    /// <summary>True if the decision charged permits that can be refunded.</summary>
    /// <remarks>While Redis is unavailable, a policy may grant more than it charges; those grants are not refunded.</remarks>
    public static bool IsCharged(RateLimitDecision decision) =>
        decision is { IsAllowed: true, IsShadowDenial: false, Source: RateLimitSource.Redis };

    /// <summary>Refunds the grant of one call.</summary>
    public void GiveBack(string clientId, RateLimitRequest request, RateLimitDecision decision)
    {
        // A request for 0 permits is only a query.
        if (request.Permits > 0 && IsCharged(decision)) GiveBack(clientId, [new(decision.Policy, request.Permits, decision.DecidedAt)]);
    }

    /// <summary>Refunds grants of one client, at most a batch of them.</summary>
    public void GiveBack(string clientId, UnusedGrant[] grants) => Start(() => grains(clientId).RefundUnusedAsync(grants));

    /// <summary>Cancels an abandoned call in the cluster, and refunds what it may have been granted.</summary>
    /// <param name="clientId">The client of the call.</param>
    /// <param name="unused">The grant to refund, by the id of the call; null for none.</param>
    /// <param name="call">Cancels the call.</param>
    public void GiveUp(string clientId, UnusedGrant? unused, CancellationTokenSource call)
    {
        // In this order: the refund waits until the call is decided, and the cancellation decides it.
        var cancelled = call.CancelAsync();
        if (unused is null) return;
        Start(async () =>
        {
            await cancelled.ConfigureAwait(false);
            await grains(clientId).RefundUnusedAsync([unused]).ConfigureAwait(false);
        });
    }

    private void Start(Func<Task> refund)
    {
        if (Interlocked.Increment(ref _underWay) > MaxUnderWay)
        {
            Interlocked.Decrement(ref _underWay);
            return;
        }

        _ = Task.Run(async () =>
        {
            try
            {
                await refund().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The grant stays charged.
            }
            finally
            {
                Interlocked.Decrement(ref _underWay);
            }
        });
    }
}
