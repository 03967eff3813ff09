using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The grants of a client to requests with an id, so that a repeated request is charged once. Loaded from Redis on the first
/// such request; the script that grants a request stores it.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class RequestIdCache(string client, RedisGrantLogStore logs, Resident resident)
{
    // Memory of an id beside its text: an entry in each collection, with the spare capacity of both.
    private const int EntryBytes = 150;

    private static readonly long Memory = (long)RateLimits.RequestIdMemory.TotalMicroseconds;

    private readonly Dictionary<string, NamedGrant> _grants = [];
    private readonly Queue<(string RequestId, long At)> _byAge = [];

    // Interned policy names, shared by all grants.
    private readonly Dictionary<string, string> _policies = [];
    private Task? _loading;

    // The memory of the grants, which counts against the ceiling.
    private long _bytes;

    /// <summary>True once the grants in Redis are loaded.</summary>
    public bool IsLoaded { get; private set; }

    /// <summary>The number of remembered grants.</summary>
    public int Count => _byAge.Count;

    /// <summary>All grants, in the stored format.</summary>
    public IEnumerable<(string Name, long At)> All =>
        _grants.Select(each => (NamedGrant.Format(each.Value.Policy, each.Value.Permits, each.Key), each.Value.At));

    public NamedGrant? Find(string requestId) => _grants.TryGetValue(requestId, out var grant) ? grant : null;

    /// <summary>
    /// Loads the grants from Redis if it is reachable. Before that, only grants of this activation are known.
    /// </summary>
    public Task LoadAsync() => IsLoaded || !logs.IsReachable ? Task.CompletedTask
        : _loading is { IsCompleted: false } ? _loading
        : _loading = TryLoadAsync();

    public void Add(string requestId, NamedGrant grant)
    {
        if (!_policies.TryGetValue(grant.Policy, out var policy)) _policies[policy = grant.Policy] = policy;
        if (!_grants.TryAdd(requestId, grant with { Policy = policy })) return;
        _byAge.Enqueue((requestId, grant.At));
        AddBytes(BytesOf(requestId));
        while (_byAge.TryPeek(out var oldest) && (oldest.At < grant.At - Memory || _byAge.Count > RateLimits.RememberedRequests))
        {
            _byAge.Dequeue();
            AddBytes(-BytesOf(oldest.RequestId));
            if (_grants.TryGetValue(oldest.RequestId, out var forgotten) && forgotten.At == oldest.At) _grants.Remove(oldest.RequestId);
        }
    }

    public bool Remove(string requestId) => _grants.Remove(requestId);

    /// <summary>Another activation has granted meanwhile, so the grants must be loaded again.</summary>
    public void Forget()
    {
        IsLoaded = false;
        _grants.Clear();
        _byAge.Clear();
        AddBytes(-_bytes);
    }

    private static long BytesOf(string requestId) => EntryBytes + (sizeof(char) * requestId.Length);

    private void AddBytes(long more)
    {
        _bytes += more;
        resident.AddBytes(more);
    }

    private async Task TryLoadAsync()
    {
        try
        {
            foreach (var (requestId, grant) in await logs.NamedGrantsAsync(client)) Add(requestId, grant);
            IsLoaded = true;
        }
        catch (RedisUnavailableException)
        {
            // The next request tries again.
        }
    }
}
