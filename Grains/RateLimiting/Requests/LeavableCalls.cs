namespace Actors.RateLimiting;

/// <summary>
/// Tracks the calls whose callers may leave before they receive the answer: waiting calls, and the most recently granted ones.
/// Kept in memory only, because it covers just the moment between a grant and its answer.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class LeavableCalls(TimeProvider time, Resident resident)
{
    // Older grants have reached their callers or never will.
    private const int MaxGranted = 1000;
    private const int EntryBytes = 250;
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    // Bounded by the calls that the limiters hold; each call removes itself before it ends.
    private readonly Dictionary<Guid, Task> _deciding = [];

    // Every entry of _granted is also in _byAge. _byAge still holds the calls that were given back.
    private readonly Dictionary<Guid, UnusedGrant> _granted = [];
    private readonly Queue<(Guid Call, long Since)> _byAge = [];

    /// <summary>Tracks a call until it is decided.</summary>
    public Task<RateLimitDecision> FollowAsync(Guid call, int permits, Task<RateLimitDecision[]> decided)
    {
        var following = EndAsync(call, permits, decided);
        if (!following.IsCompleted) _deciding[call] = following;
        return following;
    }

    /// <summary>
    /// Takes the grants of calls whose callers have left, so that they can be given back. Omits calls that were not charged or
    /// whose grants are no longer known. A grant without a call id is as its caller says.
    /// </summary>
    public async ValueTask<IReadOnlyList<UnusedGrant>> TakeAsync(UnusedGrant[] grants)
    {
        var taken = new List<UnusedGrant>(grants.Length);
        foreach (var grant in grants)
        {
            if ((grant.CallId is { } call ? await TakeAsync(call) : grant) is { } known) taken.Add(known);
        }

        return taken;
    }

    private async ValueTask<UnusedGrant?> TakeAsync(Guid call)
    {
        // The caller of the acquire observes its failure; here only the end matters.
        if (_deciding.TryGetValue(call, out var deciding)) await Task.WhenAny(deciding);
        return _granted.Remove(call, out var grant) ? grant : null;
    }

    private async Task<RateLimitDecision> EndAsync(Guid call, int permits, Task<RateLimitDecision[]> decided)
    {
        try
        {
            var decision = (await decided)[0];

            // While Redis is unreachable a policy may grant more than it charges; those grants are not given back.
            if (decision is { IsAllowed: true, IsShadowDenial: false, Source: RateLimitSource.Redis })
                Add(call, new(decision.Policy, permits, decision.DecidedAt));
            return decision;
        }
        finally
        {
            _deciding.Remove(call);
        }
    }

    private void Add(Guid call, UnusedGrant grant)
    {
        if (!_granted.TryAdd(call, grant)) return;
        _byAge.Enqueue((call, time.GetTimestamp()));
        resident.AddBytes(EntryBytes);
        while (_byAge.TryPeek(out var oldest) && (_byAge.Count > MaxGranted || time.GetElapsedTime(oldest.Since) > Memory))
        {
            _byAge.Dequeue();
            _granted.Remove(oldest.Call);
            resident.AddBytes(-EntryBytes);
        }
    }
}
