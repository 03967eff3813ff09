using System.Collections.Concurrent;

namespace Actors;

/// <summary>
/// The last known limits, for clients whose limiter does not answer while those of others do. Such a client is not let past
/// without a limit: one id that times out says nothing about the cluster.
/// </summary>
internal sealed class FallbackLimits(TimeProvider time)
{
    private const int MaxClients = 10_000;

    // Beyond these, clients share limits: a flood of ids lets nobody past.
    private const int SharedLimits = 100;
    private const int MaxPolicies = 1_000;
    private static readonly TimeSpan SweepPause = TimeSpan.FromSeconds(1);

    // By policy, as the last decision of any client had them; empty if the policy is in shadow mode.
    private readonly ConcurrentDictionary<string, RateLimitWindow[]> _windows = new(StringComparer.Ordinal);

    // Of clients that were silent lately. Any thread adds; who finds it full removes those that are over.
    private readonly ConcurrentDictionary<(string ClientId, string Policy), FallbackLimit> _limits = new();
    private long _sweptAt;

    /// <summary>Remembers the windows of a decision.</summary>
    public void Learn(RateLimitDecision decision)
    {
        var isKnown = _windows.TryGetValue(decision.Policy, out var known);
        if (!isKnown && _windows.Count >= MaxPolicies) return;
        if (decision.IsShadowDenial) _windows[decision.Policy] = [];

        // What fits does not show whether the policy is in shadow mode; a denial does.
        else if (!isKnown || (!decision.IsAllowed && known!.Length == 0) || (known!.Length > 0 && !known.AsSpan().SequenceEqual(decision.Windows)))
            _windows[decision.Policy] = decision.Windows;
    }

    /// <summary>Whether the client may have the permits by what is known here; null if nothing is known.</summary>
    public bool? TryGrant(string clientId, RateLimitRequest request, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.Zero;
        if (!_windows.TryGetValue(request.Policy, out var windows)) return null;
        if (windows.Length == 0) return true;
        var key = (clientId, request.Policy);
        if (!_limits.TryGetValue(key, out var limit))
        {
            if (_limits.Count >= MaxClients && !HasRoom()) key = Shared(key);
            limit = _limits.GetOrAdd(key, static (_, time) => new(time), time);
        }

        return limit.TryGrant(windows, request.Permits, out retryAfter);
    }

    // No client's id has a NUL in it. Which clients share is not to be told from outside: hash codes differ in each process.
    private static (string ClientId, string Policy) Shared((string ClientId, string Policy) key) =>
        ($"\0{(uint)key.ClientId.GetHashCode(StringComparison.Ordinal) % SharedLimits}", key.Policy);

    private bool HasRoom()
    {
        var swept = Interlocked.Read(ref _sweptAt);
        if (swept != 0 && time.GetElapsedTime(swept) < SweepPause) return false;
        if (Interlocked.CompareExchange(ref _sweptAt, time.GetTimestamp(), swept) != swept) return false;
        foreach (var (key, limit) in _limits)
        {
            if (limit.IsOver) _limits.TryRemove(new(key, limit));
        }

        return _limits.Count < MaxClients;
    }
}
