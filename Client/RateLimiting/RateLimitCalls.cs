using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors;

/// <summary>
/// All calls of this process to limiters. Concurrent calls for one client are coalesced, across limiters and policies.
/// </summary>
internal sealed class RateLimitCalls(Func<string, IRateLimiterGrain> grains, TimeProvider? time = null, ILogger? logger = null)
{
    // One coalescer for each client with waiting callers. The first caller creates it, and it removes itself after the last, so
    // idle clients cost nothing. Any thread adds and removes.
    private readonly ConcurrentDictionary<Key, AcquireCoalescer> _gathered = new();
    private readonly Outage _outage = new(time ?? TimeProvider.System, new SafeLogger(logger ?? NullLogger.Instance));

    // Used only if the outage ended meanwhile and then continues.
    private static readonly TimeoutException StillSilent = new("No call has been answered since the last unanswered one.");

    public TimeProvider Time { get; } = time ?? TimeProvider.System;

    /// <summary>The limits of clients whose limiter does not answer while others do.</summary>
    public FallbackLimits Fallbacks { get; } = new(time ?? TimeProvider.System);

    /// <summary>Refunds unused grants.</summary>
    public UnusedGrants Unused { get; } = new(grains);

    /// <summary>True if no client gets an answer, as far as this process knows.</summary>
    public bool IsClusterSilent => _outage.IsTotal;

    /// <summary>True if a silo was reached but has no room for the call.</summary>
    public static bool IsOverload(Exception error) => error is GatewayTooBusyException or LimitExceededException;

    public ValueTask<RateLimitLease> AcquireAsync(
        string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        // The call waits in the cluster for its turn, so no other call may wait behind it here.
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
            // The coalescer has retired and is about to be removed.
            if (gathered is not null) Forget(key, gathered);
            gathered = null;
        }

        return acquisition.Lease;
    }

    /// <summary>Queries whether a request without a wait would be granted.</summary>
    public ValueTask<RateLimitLease> PeekAsync(
        string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken) =>
        new WaitingCall(
            this, clientId, request with { MaxWait = TimeSpan.Zero }, leases,
            (grain, asked, token) => grain.PeekAsync(asked.Policy, cancellationToken: token)).AskAsync(cancellationToken);

    /// <summary>The most permits the policy can grant at once; null if the cluster does not answer.</summary>
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

    /// <summary>Records that the cluster has answered an individual call.</summary>
    public void Answered(RateLimitDecision? decision = null)
    {
        _outage.Answered();
        if (decision is not null) Fallbacks.Learn(decision);
    }

    /// <summary>Records that an individual call was not answered.</summary>
    public void NotAnswered(string clientId, TimeSpan callTimeout, long since, Exception error) => Probe(new(clientId, callTimeout), since, error);

    /// <summary>True if the client's limiter does not answer now. Each query keeps the probing going.</summary>
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

    /// <summary>Starts probing a client, unless it is probed already or enough others are.</summary>
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
