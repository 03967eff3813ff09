using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// A call to a limiter that is sent by itself, because it waits for its turn in the cluster. It gets a call id, so that abandoning
/// it refunds a grant made at that moment. A request id would not do: the cluster remembers only a limited number of them.
/// </summary>
internal sealed class WaitingCall(
    RateLimitCalls calls, string clientId, RateLimitRequest request, LeaseSource leases,
    Func<IRateLimiterGrain, RateLimitRequest, CancellationToken, Task<RateLimitDecision>> ask)
{
    private static readonly TimeSpan PauseAfterMove = TimeSpan.FromMilliseconds(50);

    private readonly Guid? _callId = request.MaxWait > TimeSpan.Zero ? Guid.NewGuid() : null;

    private UnusedGrant? Unused => _callId is null ? null : new(request.Policy, request.Permits, default) { CallId = _callId };

    public async ValueTask<RateLimitLease> AskAsync(CancellationToken cancellationToken)
    {
        if (calls.IsSilent(clientId, leases.Patience.CallTimeout)) return leases.Unreachable(clientId, request);

        var began = calls.Time.GetTimestamp();

        // Not linked to the caller's token: a linked source that is disposed in a callback of that token may never be cancelled, and
        // the cluster would not learn of it. Not disposed either: it holds no resources, and may be cancelled late.
        var call = new CancellationTokenSource();
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, leases.Disposing);
        try
        {
            var decision = await DecideAsync(began, call.Token, caller.Token).ConfigureAwait(false);
            calls.Answered(decision);
            return leases.Decided(clientId, request, decision);
        }
        catch (InvalidRateLimitException)
        {
            leases.Failed();
            throw;
        }
        catch (Exception) when (caller.IsCancellationRequested)
        {
            calls.Unused.GiveUp(clientId, Unused, call);
            if (!cancellationToken.IsCancellationRequested) return leases.Disposed();
            leases.Failed();
            throw new OperationCanceledException(cancellationToken);
        }
        catch (ActorsException error)
        {
            // The cluster answered that it cannot decide.
            calls.Answered();
            return leases.Refused(clientId, request, error);
        }
        catch (Exception error) when (RateLimitCalls.IsOverload(error))
        {
            return leases.Overloaded();
        }
        catch (Exception error)
        {
            calls.NotAnswered(clientId, leases.Patience.CallTimeout, began, error);
            var lease = leases.Unreachable(clientId, request);

            // A caller that is allowed uses the permits that it may have been granted.
            calls.Unused.GiveUp(clientId, lease.IsAcquired ? null : Unused, call);
            return lease;
        }
    }

    // The client library's call filter retries moved calls as well, but not every source of grain references has it.
    private async Task<RateLimitDecision> DecideAsync(long began, CancellationToken call, CancellationToken caller)
    {
        var limit = request.MaxWait + leases.Patience.CallTimeout;
        while (true)
        {
            try
            {
                var left = request.MaxWait - calls.Time.GetElapsedTime(began);
                var asked = request with { CallId = _callId, MaxWait = left > TimeSpan.Zero ? left : TimeSpan.Zero };
                return await ask(calls.Grain(clientId), asked, call)
                    .WithinAsync(limit - calls.Time.GetElapsedTime(began), calls.Time, caller).ConfigureAwait(false);
            }
            catch (LimiterMovedException) when (limit - calls.Time.GetElapsedTime(began) > PauseAfterMove)
            {
                await Task.Delay(PauseAfterMove, calls.Time, caller).ConfigureAwait(false);
            }
        }
    }
}
