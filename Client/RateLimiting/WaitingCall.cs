using System.Threading.RateLimiting;

namespace Actors;

/// <summary>
/// A call to a limiter that goes by itself, because it waits for its turn there. It gets an id of its own, so that giving it up
/// gives back whatever it is granted at that moment. No request id: those of the app are remembered, and only so many.
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

        // Not linked to the caller's token: a linked source that is disposed of in a callback of that token may never be cancelled,
        // and the cluster would not hear of it. Nor disposed of: it holds nothing, and may be cancelled late.
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
            // It answered that it cannot decide.
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

            // A caller that is let past uses what it may have been granted.
            calls.Unused.GiveUp(clientId, lease.IsAcquired ? null : Unused, call);
            return lease;
        }
    }

    // The client library's call filter repeats moved calls as well; not every source of grain references has it.
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
