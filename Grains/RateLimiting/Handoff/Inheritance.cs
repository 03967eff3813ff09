namespace Actors.RateLimiting;

/// <summary>
/// Merges the handoffs of a client's earlier activations, and makes the handoff for the next one: what that one cannot read
/// from Redis.
/// </summary>
/// <remarks>
/// Belongs to one grain, which is reentrant. Its turns run one at a time, but any await may let another call run.
/// </remarks>
internal sealed class Inheritance(
    string client, ClientLimiters limiters, RequestIdCache named, Resident resident, RedisGrantLogStore logs, HandoffStore store)
{
    // An activation takes one handoff from each predecessor that has not written its grants to Redis, which are few.
    private const int MaxOrigins = 32;

    // The activations whose handoffs have been merged.
    private readonly List<string> _origins = [];

    // Handoffs that are being merged. A repeated handoff waits for the first one. Each removes itself before it ends.
    private readonly Dictionary<string, Task> _merging = [];

    /// <summary>Merges what earlier activations left: the handoff of a migration, if any, and the one that this silo keeps.</summary>
    public async Task ClaimAsync(LimiterHandoff? migrated)
    {
        if (migrated is not null) await AcceptAsync(migrated);
        if (store.Take(client) is { } kept) await AcceptAsync(kept);
    }

    /// <summary>Merges a handoff, once.</summary>
    public Task AcceptAsync(LimiterHandoff handoff)
    {
        // Always admitted, because another activation has just freed the same memory.
        resident.AdmitAlways();
        var origin = handoff.Origins[0];
        if (_origins.Contains(origin)) return Task.CompletedTask;
        if (_merging.TryGetValue(origin, out var first)) return first;
        var merging = MergeAsync(handoff);
        if (!merging.IsCompleted) _merging.Add(origin, merging);
        return merging;
    }

    /// <summary>The handoff for the next activation, also kept for delivery; null if that one can read everything from Redis.</summary>
    /// <param name="activation">This activation.</param>
    /// <param name="isIdle">
    /// True if the client was idle. It hands over only what Redis lacks; otherwise all clients would migrate during an outage.
    /// </param>
    public LimiterHandoff? Leave(string activation, bool isIdle)
    {
        var isAll = !logs.IsReachable && !isIdle;
        var left = limiters.HandOff(isAll);
        var isUnread = !logs.IsReachable && (isAll || left.Length > 0);
        var handoff = new LimiterHandoff
        {
            Origins = [activation, .. _origins],
            Logs = left,
            Names = isUnread ? [.. named.All.Select(each => new KeyValuePair<string, long>(each.Name, each.At))] : [],
            OwnPolicies = isUnread ? new(limiters.OwnPolicies) : [],
        };
        if (handoff.IsEmpty) return null;
        store.Keep(client, handoff);
        return handoff;
    }

    private async Task MergeAsync(LimiterHandoff handoff)
    {
        try
        {
            await MergeLogsAsync(handoff);

            // Recorded only now, because the sender drops the handoff then. A failed handoff is sent again; known grants count
            // once.
            _origins.AddRange(handoff.Origins);
            if (_origins.Count > MaxOrigins) _origins.RemoveRange(0, _origins.Count - MaxOrigins);
        }
        finally
        {
            _merging.Remove(handoff.Origins[0]);
        }
    }

    private async Task MergeLogsAsync(LimiterHandoff handoff)
    {
        limiters.AssumePolicies(handoff.OwnPolicies);
        foreach (var (name, at) in handoff.Names.Concat(handoff.Logs.SelectMany(log => log.Noted)))
        {
            var (requestId, grant) = NamedGrant.Parse(name, at);
            named.Add(requestId, grant);
        }

        foreach (var log in handoff.Logs) await limiters.GetOrAdd(log.Policy).TakeOverAsync(log);
    }
}
