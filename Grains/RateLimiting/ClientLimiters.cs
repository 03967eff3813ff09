namespace Actors.RateLimiting;

/// <summary>The limiters of one client, one for each policy in use, and the policies that apply to it.</summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class ClientLimiters(
    string client, OwnPolicies own, ConfiguredPolicies configured, RedisGrantLogStore logs, LimiterCounters counters, RateLimitOptions options,
    LimiterTimers timers, ILimiterHost host)
{
    // Limiters of policies that a client no longer has.
    private const int MaxUnused = 4;

    // By policy.
    private readonly Dictionary<string, Limiter> _limiters = [];
    private bool _isLeaving;

    // The memory of the client's own policies, as counted.
    private long _ownBytes;

    /// <summary>True once the client's own policies are loaded.</summary>
    public bool ArePoliciesLoaded => own.IsLoaded;

    /// <summary>The client's own policies, as far as they are known.</summary>
    public IReadOnlyDictionary<string, RateLimitPolicy> OwnPolicies => own.All;

    public bool IsEmpty => _limiters.Count == 0;

    /// <summary>True if none does anything, holds a call, or has grants that Redis lacks.</summary>
    public bool AreIdle => _limiters.Values.All(limiter => limiter.IsIdle);

    /// <summary>True if none holds a call or has grants that Redis lacks.</summary>
    public bool HoldNothing => _limiters.Values.All(limiter => limiter.HoldsNothing);

    /// <exception cref="InvalidRateLimitException">There is no such policy.</exception>
    /// <exception cref="StorageUnavailableException">Only the client may have such a policy, and its own are not known.</exception>
    public Limiter Get(string policy)
    {
        var found = PolicyOf(policy) ?? throw Unknown(policy);
        if (Find(policy) is not { } limiter) return Add(found);
        limiter.Policy = found;
        return limiter;
    }

    /// <summary>The limiter of a policy that an earlier activation used.</summary>
    public Limiter GetOrAdd(RateLimitPolicy policy) => Find(policy.Name) ?? Add(PolicyOf(policy.Name) ?? policy);

    /// <summary>The policy of this name: the client's own or the configured one.</summary>
    public RateLimitPolicy? PolicyOf(string policy) => own.Find(policy) ?? configured.Find(policy);

    /// <summary>The failure of a call with a policy that does not exist or is not known.</summary>
    public ActorsException Unknown(string policy) => own.IsLoaded
        ? new InvalidRateLimitException($"There is no policy {WellFormedText.Quote(policy)}; configured are {string.Join(", ", configured.Names)}, "
            + "and this client has no such policy of its own. "
            + $"Set {RateLimitOptions.Section}:{nameof(RateLimitOptions.Policies)}:{PrintableText.Of(policy)}:Windows in the silos' configuration.")
        : LimiterErrors.Unavailable(
            $"Redis is unreachable: policy {WellFormedText.Quote(policy)} is not configured, and the client's own policies cannot be read.");

    /// <summary>Loads the client's own policies if Redis is reachable.</summary>
    public async Task LoadPoliciesAsync()
    {
        await own.LoadAsync();
        CountOwn();
    }

    /// <summary>Uses the policies that the previous activation knew, until they are loaded.</summary>
    public void AssumePolicies(IReadOnlyDictionary<string, RateLimitPolicy> policies)
    {
        own.Assume(policies);
        CountOwn();
    }

    /// <summary>Sets a policy of the client's own.</summary>
    /// <inheritdoc cref="RateLimiting.OwnPolicies.SetAsync" path="/exception"/>
    public async Task SetPolicyAsync(RateLimitPolicy policy)
    {
        await own.SetAsync(policy.Name, policy);
        Changed(policy.Name);
    }

    /// <summary>Removes a policy of the client's own. Returns whether there was one.</summary>
    /// <inheritdoc cref="RateLimiting.OwnPolicies.SetAsync" path="/exception"/>
    public async Task<bool> RemovePolicyAsync(string policy)
    {
        await LoadPoliciesAsync();
        var wasThere = own.Find(policy) is not null;
        if (wasThere || !own.IsLoaded) await own.SetAsync(policy, null);
        Changed(policy);
        await CloseUnusedAsync();
        return wasThere;
    }

    /// <inheritdoc cref="ILimiterHost.WakeAfter"/>
    public void WakeAfter(string policy, TimeSpan due)
    {
        if (Find(policy) is { } limiter) timers.WakeAfter(limiter, due);
    }

    /// <summary>The activation is about to end: waiting calls fail.</summary>
    public void Leave()
    {
        _isLeaving = true;
        foreach (var limiter in _limiters.Values) limiter.Leave();
    }

    public Task CloseAsync() => Task.WhenAll(_limiters.Values.Select(limiter => limiter.CloseAsync()));

    /// <summary>The state that the next activation cannot read from Redis.</summary>
    /// <param name="isAll">True if it can read nothing from Redis.</param>
    public LogHandoff[] HandOff(bool isAll) => [.. _limiters.Values.Select(limiter => limiter.HandOff(isAll)).Where(log => !log.IsEmpty)];

    private Limiter? Find(string policy) => _limiters.GetValueOrDefault(policy);

    private void Changed(string policy)
    {
        CountOwn();
        if (Find(policy) is { } limiter && PolicyOf(policy) is { } changed) limiter.Policy = changed;
    }

    private void CountOwn()
    {
        var bytes = own.Bytes;
        host.AddBytes(bytes - _ownBytes);
        _ownBytes = bytes;
    }

    private Limiter Add(RateLimitPolicy policy)
    {
        var limiter = new Limiter(client, policy, logs, counters, options, host);
        if (_isLeaving) limiter.Leave();
        return _limiters[policy.Name] = limiter;
    }

    /// <summary>Closes limiters of policies that this client no longer has, once there are several. Their grants are in Redis.</summary>
    private async Task CloseUnusedAsync()
    {
        var unused = _limiters.Where(each => PolicyOf(each.Key) is null && each.Value.IsIdle).Select(each => each.Value).ToList();
        if (unused.Count < MaxUnused || _isLeaving) return;
        foreach (var limiter in unused)
        {
            // It may still get a call that found it before. That call must not wait, because nothing wakes the limiter any more.
            limiter.Leave();
            _limiters.Remove(limiter.Policy.Name);
            timers.Remove(limiter);
        }

        foreach (var limiter in unused) await limiter.CloseAsync();
    }
}
