using Actors.Redis;
using Microsoft.Extensions.Logging;
using Orleans.Persistence.Redis;
using Orleans.Storage;

namespace Actors.RateLimiting;

/// <summary>
/// A client's own policies, in Orleans' Redis grain storage. They are loaded on first use, not on activation, because
/// activation would fail while Redis is unreachable. Until they are loaded the configured policies apply.
/// </summary>
/// <remarks>Used only by the turns of one grain; loads and stores run one at a time.</remarks>
internal sealed partial class OwnPolicies(
    GrainId grain, IGrainStorage storage, RedisGateway redis, TimeProvider time, ILogger logger)
{
    /// <summary>The name of the storage provider.</summary>
    public const string Storage = "rate-limits";

    private const string Name = "policies";
    private const int MaxAttempts = 5;

    // Approximate memory of a policy and of each of its windows.
    private const int PolicyBytes = 300;
    private const int WindowBytes = 60;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    // A call that waits longer than this for others is refused, so that it does not keep the activation from ending.
    private static readonly TimeSpan LongestQueueing = TimeSpan.FromSeconds(5);

    // Replaced as a whole after an operation that ended in time. An operation that ends late changes nothing here.
    private GrainState<OwnPoliciesState> _stored = new(new());
    private Task? _loading;
    private Task _setting = Task.CompletedTask;
    private long _failed;

    /// <summary>True once the policies are loaded.</summary>
    public bool IsLoaded { get; private set; }

    /// <summary>All known policies.</summary>
    public IReadOnlyDictionary<string, RateLimitPolicy> All => _stored.State!.Policies;

    /// <summary>The memory of the policies.</summary>
    public long Bytes => All.Values.Sum(policy => PolicyBytes + (WindowBytes * policy.Windows.Length));

    public RateLimitPolicy? Find(string policy) => All.GetValueOrDefault(policy);

    /// <summary>Uses the policies that the previous activation knew, until they are loaded.</summary>
    public void Assume(IReadOnlyDictionary<string, RateLimitPolicy> policies)
    {
        if (!IsLoaded && All.Count == 0) _stored = new(new() { Policies = new(policies) });
    }

    /// <summary>Loads the policies, unless a load failed a moment ago or Redis is unreachable.</summary>
    public Task LoadAsync()
    {
        if (IsLoaded || !redis.IsClosed(RedisRole.Limits)) return Task.CompletedTask;
        if (_loading is { IsCompleted: false }) return _loading;
        if (_failed != 0 && time.GetElapsedTime(_failed) < Patience) return Task.CompletedTask;
        return _loading = TryLoadAsync();
    }

    /// <summary>Sets a policy, or removes it if <paramref name="policy"/> is null.</summary>
    /// <exception cref="StorageUnavailableException">Redis is unreachable or failed.</exception>
    /// <exception cref="InvalidRateLimitException">The client would have too many policies.</exception>
    public async Task SetAsync(string name, RateLimitPolicy? policy)
    {
        // One at a time. The caller of the earlier change observes its failure.
        var began = time.GetTimestamp();
        while (!_setting.IsCompleted)
        {
            await Task.WhenAny(_setting);
            if (time.GetElapsedTime(began) > LongestQueueing)
                throw new StorageUnavailableException("Redis", "earlier changes of this client's policies take too long; this one changed nothing.");
        }

        await (_setting = StoreAsync(name, policy));
    }

    private async Task StoreAsync(string name, RateLimitPolicy? policy)
    {
        await LoadAsync();
        if (!IsLoaded || !redis.IsClosed(RedisRole.Limits))
            throw new StorageUnavailableException("Redis", "Redis is unreachable; the client's policies cannot be read or changed.");
        using var limit = new CancellationTokenSource(2 * Patience, time);
        try
        {
            _stored = await WriteAsync(_stored, name, policy, limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception error) when (error is not InvalidRateLimitException)
        {
            // The change may have been stored, so the next call reads again.
            IsLoaded = false;
            var reason = error is OperationCanceledException ? $"no answer within {2 * Patience}; the change may still be stored" : error.Message;
            throw new StorageUnavailableException("Redis", $"the client's policies could not be stored: {reason}") { MayHaveTakenEffect = true };
        }
    }

    /// <summary>
    /// Stores one change. The ETag fences each attempt: a late attempt changes nothing if another activation has written
    /// meanwhile. No attempt starts after the caller received a failure.
    /// </summary>
    private async Task<GrainState<OwnPoliciesState>> WriteAsync(
        GrainState<OwnPoliciesState> known, string name, RateLimitPolicy? policy, CancellationToken cancellationToken)
    {
        var (before, etag, exists) = (known.State!, known.ETag, known.RecordExists);
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var next = new GrainState<OwnPoliciesState>(Changed(before, name, policy), etag) { RecordExists = exists };
            try
            {
                // Written even if no policies remain, because a deleted record would fence nothing.
                await storage.WriteStateAsync(Name, grain, next);
                return next;
            }
            catch (InconsistentStateException) when (attempt < MaxAttempts)
            {
                // Another activation has written, so its policies apply. If Redis lost data and has an older version, the local
                // policies apply.
                var there = new GrainState<OwnPoliciesState>(new());
                await storage.ReadStateAsync(Name, grain, there);
                (etag, exists) = (there.ETag, there.RecordExists);
                before = there.State!.Version >= known.State!.Version ? there.State : known.State;
            }
            catch (RedisStorageException) when (attempt < MaxAttempts && redis.IsClosed(RedisRole.Limits))
            {
                // The connection was lost or Redis refused the write, and the breaker has not tripped: Redis may serve the next
                // attempt.
                await Task.Delay(Pause * (0.5 + Random.Shared.NextDouble()), time, cancellationToken);
            }
        }
    }

    private static OwnPoliciesState Changed(OwnPoliciesState before, string name, RateLimitPolicy? policy)
    {
        var policies = new Dictionary<string, RateLimitPolicy>(before.Policies);
        if (policy is null) policies.Remove(name);
        else policies[name] = policy;
        return policies.Count <= RateLimits.MaxOwnPolicies
            ? new() { Policies = policies, Version = before.Version + 1 }
            : throw new InvalidRateLimitException(
                $"Policy '{name}' would be number {policies.Count} of this client's own; at most {RateLimits.MaxOwnPolicies} are allowed.");
    }

    private async Task TryLoadAsync()
    {
        try
        {
            var loaded = new GrainState<OwnPoliciesState>(new());
            await storage.ReadStateAsync(Name, grain, loaded).WaitAsync(Patience, time);
            (_stored, IsLoaded) = (loaded, true);
        }
        catch (Exception error)
        {
            _failed = time.GetTimestamp();
            LogNotLoaded(logger, grain, error.Message);
        }
    }

    [LoggerMessage(EventId = 1803, Level = LogLevel.Debug, Message = "Could not read the own policies of {Grain}: {Reason}")]
    private static partial void LogNotLoaded(ILogger logger, GrainId grain, string reason);
}

/// <summary>
/// The stored state of a client's own policies. Orleans stores the names of this type, its namespace and its assembly with it, so
/// none of them may change.
/// </summary>
[GenerateSerializer, Alias("Actors.OwnPoliciesState")]
internal sealed class OwnPoliciesState
{
    /// <summary>By name.</summary>
    [Id(0)] public Dictionary<string, RateLimitPolicy> Policies { get; set; } = [];

    /// <summary>Incremented with each change. Of two states the one with the higher version is newer.</summary>
    [Id(1)] public long Version { get; set; }
}
