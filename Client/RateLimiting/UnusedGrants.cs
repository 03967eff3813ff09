namespace Actors;

/// <summary>
/// Gives grants back that nobody used, in the background: the caller left before the answer came, or another limiter denied
/// the call. At best effort: a grant that cannot be given back stays charged, and no limit is ever exceeded.
/// </summary>
internal sealed class UnusedGrants(Func<string, IRateLimiterGrain> grains)
{
    // Callers that leave cost the cluster no more than this at a time.
    private const int MaxUnderWay = 1000;

    // Changed atomically by whoever begins or ends one.
    private int _underWay;

    /// <summary>True if the decision charged permits that can be given back.</summary>
    /// <remarks>While Redis is away a policy may grant more than it charges; those grants stay as they are.</remarks>
    public static bool IsCharged(RateLimitDecision decision) =>
        decision is { IsAllowed: true, IsShadowDenial: false, Source: RateLimitSource.Redis };

    /// <summary>Gives back what one call was granted.</summary>
    public void GiveBack(string clientId, RateLimitRequest request, RateLimitDecision decision)
    {
        // Without permits it only asked whether one would be granted.
        if (request.Permits > 0 && IsCharged(decision)) GiveBack(clientId, [new(decision.Policy, request.Permits, decision.DecidedAt)]);
    }

    /// <summary>Gives back grants of one client, no more than a batch of them.</summary>
    public void GiveBack(string clientId, UnusedGrant[] grants) => Start(() => grains(clientId).RefundUnusedAsync(grants));

    /// <summary>Tells the cluster that a call is given up, and gives back what it may have been granted.</summary>
    /// <param name="clientId">Whose call it is.</param>
    /// <param name="unused">What to give back, by the id of the call; null if nothing.</param>
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
                // It stays charged.
            }
            finally
            {
                Interlocked.Decrement(ref _underWay);
            }
        });
    }
}
