using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors;

/// <summary>
/// All calls of this process to limiters. What is asked for one client at the same time is gathered, whichever limiter and
/// policy it is asked through.
/// </summary>
internal sealed class RateLimitCalls(Func<string, IRateLimiterGrain> grains, TimeProvider? time = null, ILogger? logger = null)
{
    // One for each client that somebody waits for now: it is made by the first caller and removes itself after the last, so
    // clients cost nothing once they are answered. Any thread adds and removes.
    private readonly ConcurrentDictionary<Key, AcquireCoalescer> _gathered = new();
    private readonly Outage _outage = new(time ?? TimeProvider.System, new SafeLogger(logger ?? NullLogger.Instance));

    // Said only where the outage is over meanwhile, and goes on after all.
    private static readonly TimeoutException StillSilent = new("Nobody was answered since the last call that was not.");

    public TimeProvider Time { get; } = time ?? TimeProvider.System;

    /// <summary>The limits of clients whose limiter alone is silent.</summary>
    public FallbackLimits Fallbacks { get; } = new(time ?? TimeProvider.System);

    /// <summary>Gives back what nobody uses.</summary>
    public UnusedGrants Unused { get; } = new(grains);

    /// <summary>True if no client is answered, as far as is known here.</summary>
    public bool IsClusterSilent => _outage.IsTotal;

    /// <summary>True if a silo was reached and has no room for the call.</summary>
    public static bool IsOverload(Exception error) => error is GatewayTooBusyException or LimitExceededException;

    public ValueTask<RateLimitLease> AcquireAsync(
        string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        // Waits in the cluster, for its turn: nobody here is to wait behind it.
        if (request.MaxWait > TimeSpan.Zero)
        {
            return new WaitingCall(this, clientId, request, leases, (grain, asked, token) => grain.AcquireAsync(asked, token))
                .AskAsync(cancellationToken);
        }

        var key = new Key(clientId, leases.Patience.CallTimeout);
        AcquireCoalescer? gathered = null;
        if (_outage.IsTotal && !_gathered.TryGetValue(key, out gathered))
        {
            Probe(key, Time.GetTimestamp(), StillSilent);
            return new(leases.Unreachable(clientId, request));
        }

        var acquisition = new Acquisition(clientId, request, leases, cancellationToken);
        while (!acquisition.IsSettled && !(gathered ?? Gather(key)).TryAdd(acquisition, leases.Patience.MaxQueued))
        {
            // It has retired and is about to be gone.
            if (gathered is not null) Forget(key, gathered);
            gathered = null;
        }

        return acquisition.Lease;
    }

    /// <summary>Whether a request without a wait would be granted.</summary>
    public ValueTask<RateLimitLease> PeekAsync(
        string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken) =>
        new WaitingCall(
            this, clientId, request with { MaxWait = TimeSpan.Zero }, leases,
            (grain, asked, token) => grain.PeekAsync(asked.Policy, cancellationToken: token)).AskAsync(cancellationToken);

    /// <summary>The most permits the policy grants at once; null where that is not to be learnt now.</summary>
    public async Task<int?> SmallestLimitAsync(string clientId, string policy, TimeSpan callTimeout, CancellationToken cancellationToken)
    {
        try
        {
            var known = await grains(clientId).GetPolicyAsync(policy, cancellationToken)
                .WithinAsync(callTimeout, Time, cancellationToken).ConfigureAwait(false);
            return known.Windows.Min(window => window.Limit);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>The grain of a client.</summary>
    public IRateLimiterGrain Grain(string clientId) => grains(clientId);

    /// <summary>The cluster has answered a call that went by itself.</summary>
    public void Answered(RateLimitDecision? decision = null)
    {
        _outage.Answered();
        if (decision is not null) Fallbacks.Learn(decision);
    }

    /// <summary>A call that went by itself was not answered.</summary>
    public void NotAnswered(string clientId, TimeSpan callTimeout, long since, Exception error) => Probe(new(clientId, callTimeout), since, error);

    /// <summary>True if the client's limiter does not answer just now; asking keeps the search for an answer going.</summary>
    public bool IsSilent(string clientId, TimeSpan callTimeout)
    {
        var key = new Key(clientId, callTimeout);
        if (_gathered.TryGetValue(key, out var gathered)) return gathered.IsSilent();
        if (!_outage.IsTotal) return false;
        Probe(key, Time.GetTimestamp(), StillSilent);
        return true;
    }

    private AcquireCoalescer Gather(Key key) =>
        _gathered.TryGetValue(key, out var gathered) ? gathered : _gathered.GetOrAdd(key, static (key, calls) => calls.New(key), this);

    /// <summary>Has a client asked whether it is answered again, unless somebody does already or enough others do.</summary>
    private void Probe(Key key, long since, Exception error)
    {
        if (_outage.IsTotal && !_outage.NeedsProbe) return;
        var gathered = New(key);
        if (_gathered.TryAdd(key, gathered)) gathered.StartSilent(since, error);
    }

    private AcquireCoalescer New(Key key)
    {
        var grain = grains(key.ClientId);
        return new(
            key.ClientId, requests => grain.AcquireManyAsync(requests), (policy, token) => grain.PeekAsync(policy, cancellationToken: token),
            key.CallTimeout, _outage, Fallbacks, Unused, Time, gathered => Forget(key, gathered));
    }

    private void Forget(Key key, AcquireCoalescer gathered) => _gathered.TryRemove(new(key, gathered));

    private readonly record struct Key(string ClientId, TimeSpan CallTimeout);
}
