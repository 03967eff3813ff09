namespace Actors.RateLimiting;

/// <summary>
/// The calls of a client whose callers may leave without having heard the answer: those that wait, and the last that were
/// granted. In memory only: it is for the moment between a grant and its answer.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class LeavableCalls(TimeProvider time, Action<long> addBytes)
{
    // What was granted earlier than the last so many, or longer ago, has reached its caller, or never will.
    private const int MaxGranted = 1000;
    private const int EntryBytes = 250;
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    // As many as the limiters hold; each takes itself out before it ends.
    private readonly Dictionary<Guid, Task> _deciding = [];

    // Each entry of the first is in the second, which has those too that were given back.
    private readonly Dictionary<Guid, UnusedGrant> _granted = [];
    private readonly Queue<(Guid Call, long Since)> _byAge = [];

    /// <summary>Follows a call until it is decided.</summary>
    public Task<RateLimitDecision> FollowAsync(Guid call, int permits, Task<RateLimitDecision[]> decided)
    {
        var following = EndAsync(call, permits, decided);
        if (!following.IsCompleted) _deciding[call] = following;
        return following;
    }

    /// <summary>What a call whose caller has left was charged; null where it was not, or that is known no more. Once: it is to be given back.</summary>
    public async ValueTask<UnusedGrant?> TakeAsync(Guid call)
    {
        // What becomes of it is told to who asked for it.
        if (_deciding.TryGetValue(call, out var deciding)) await Task.WhenAny(deciding);
        return _granted.Remove(call, out var grant) ? grant : null;
    }

    private async Task<RateLimitDecision> EndAsync(Guid call, int permits, Task<RateLimitDecision[]> decided)
    {
        try
        {
            var decision = (await decided)[0];

            // While Redis is away a policy may grant more than it charges; those grants stay as they are.
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
        addBytes(EntryBytes);
        while (_byAge.TryPeek(out var oldest) && (_byAge.Count > MaxGranted || time.GetElapsedTime(oldest.Since) > Memory))
        {
            _byAge.Dequeue();
            _granted.Remove(oldest.Call);
            addBytes(-EntryBytes);
        }
    }
}
