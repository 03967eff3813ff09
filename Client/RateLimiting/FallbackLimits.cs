using System.Collections.Concurrent;

namespace Actors;

/// <summary>
/// Applies the last known limits to clients whose limiter does not answer while others do. One id that times out says nothing
/// about the cluster, so such a client must not be unlimited.
/// </summary>
internal sealed class FallbackLimits(TimeProvider time)
{
    private const int MaxClients = 10_000;

    // Beyond MaxClients, clients share limits, so a flood of ids does not bypass them.
    private const int SharedLimits = 100;
    private const int MaxPolicies = 1_000;
    private static readonly TimeSpan SweepPause = TimeSpan.FromSeconds(1);

    // By policy, from the last decision of any client; empty if the policy is in shadow mode.
    private readonly ConcurrentDictionary<string, RateLimitWindow[]> _windows = new(StringComparer.Ordinal);

    // Recently unanswered clients. Any thread adds; a thread that finds it full removes expired entries.
    private readonly ConcurrentDictionary<(string ClientId, string Policy), FallbackLimit> _limits = new();
    private long _sweptAt;

    /// <summary>Remembers the windows of a decision.</summary>
    public void Learn(RateLimitDecision decision)
    {
        var isKnown = _windows.TryGetValue(decision.Policy, out var known);
        if (!isKnown && _windows.Count >= MaxPolicies) return;
        if (decision.IsShadowDenial) _windows[decision.Policy] = [];

        // A grant does not show whether the policy is in shadow mode; a denial does.
        else if (!isKnown || (!decision.IsAllowed && known!.Length == 0) || (known!.Length > 0 && !known.AsSpan().SequenceEqual(decision.Windows)))
            _windows[decision.Policy] = decision.Windows;
    }

    /// <summary>Whether the client may have the permits by the last known limits; null if none are known.</summary>
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

    // Client ids contain no NUL. Outsiders cannot predict which clients share: hash codes differ in each process.
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
