using System.Collections.Concurrent;
using System.Threading.RateLimiting;
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
    private readonly ConcurrentDictionary<Key, GatheredAcquisitions> _gathered = new();
    private readonly Outage _outage = new(time ?? TimeProvider.System, logger ?? NullLogger.Instance);

    // Said only where the outage is over meanwhile, and goes on after all.
    private static readonly TimeoutException StillSilent = new("Nobody was answered since the last call that was not.");

    public TimeProvider Time { get; } = time ?? TimeProvider.System;

    public ValueTask<RateLimitLease> AcquireAsync(
        string clientId, RateLimitRequest request, LeaseSource leases, CancellationToken cancellationToken)
    {
        // Waits in the cluster, for its turn: nobody here is to wait behind it.
        if (request.MaxWait > TimeSpan.Zero)
        {
            return AskAsync(
                clientId, leases, request.MaxWait + leases.Patience.CallTimeout, (grain, token) => grain.AcquireAsync(request, token), cancellationToken);
        }

        var key = new Key(clientId, leases.Patience.CallTimeout);
        GatheredAcquisitions? gathered = null;
        if (_outage.IsTotal && !_gathered.TryGetValue(key, out gathered))
        {
            Probe(key, Time.GetTimestamp(), StillSilent);
            return new(leases.Undecided());
        }

        var acquisition = new Acquisition(request, leases, cancellationToken);
        while (!acquisition.IsSettled && !(gathered ?? Gather(key)).TryAdd(acquisition, leases.Patience.MaxQueued))
        {
            // It has retired and is about to be gone.
            if (gathered is not null) Forget(key, gathered);
            gathered = null;
        }

        return acquisition.Lease;
    }

    public ValueTask<RateLimitLease> PeekAsync(string clientId, string policy, LeaseSource leases, CancellationToken cancellationToken) =>
        AskAsync(clientId, leases, leases.Patience.CallTimeout, (grain, token) => grain.PeekAsync(policy, cancellationToken: token), cancellationToken);

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

    /// <summary>A call that goes by itself.</summary>
    private async ValueTask<RateLimitLease> AskAsync(
        string clientId, LeaseSource leases, TimeSpan limit,
        Func<IRateLimiterGrain, CancellationToken, Task<RateLimitDecision>> ask, CancellationToken cancellationToken)
    {
        var key = new Key(clientId, leases.Patience.CallTimeout);
        var began = Time.GetTimestamp();
        if (IsSilent(key)) return leases.Undecided();

        using var givenUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var decision = await ask(grains(clientId), givenUp.Token).WithinAsync(limit, Time, cancellationToken).ConfigureAwait(false);
            _outage.Answered();
            return leases.Decided(decision);
        }
        catch (Exception error) when (error is InvalidRateLimitException || cancellationToken.IsCancellationRequested)
        {
            leases.Failed();
            throw;
        }
        catch (ActorsException)
        {
            // It answered that it cannot decide.
            return leases.Undecided();
        }
        catch (Exception error)
        {
            Probe(key, began, error);
            await givenUp.CancelAsync().ConfigureAwait(false);
            return leases.Undecided();
        }
    }

    private bool IsSilent(Key key)
    {
        if (_gathered.TryGetValue(key, out var gathered)) return gathered.IsSilent();
        if (!_outage.IsTotal) return false;
        Probe(key, Time.GetTimestamp(), StillSilent);
        return true;
    }

    private GatheredAcquisitions Gather(Key key) =>
        _gathered.TryGetValue(key, out var gathered) ? gathered : _gathered.GetOrAdd(key, static (key, calls) => calls.New(key), this);

    /// <summary>Has a client asked whether it is answered again, unless somebody does already or enough others do.</summary>
    private void Probe(Key key, long since, Exception error)
    {
        if (_outage.IsTotal && !_outage.NeedsProbe) return;
        var gathered = New(key);
        if (_gathered.TryAdd(key, gathered)) gathered.StartSilent(since, error);
    }

    private GatheredAcquisitions New(Key key)
    {
        var grain = grains(key.ClientId);
        return new(
            grain.AcquireManyAsync, (policy, token) => grain.PeekAsync(policy, cancellationToken: token), key.CallTimeout, _outage, Time,
            gathered => Forget(key, gathered));
    }

    private void Forget(Key key, GatheredAcquisitions gathered) => _gathered.TryRemove(new(key, gathered));

    private readonly record struct Key(string ClientId, TimeSpan CallTimeout);
}
