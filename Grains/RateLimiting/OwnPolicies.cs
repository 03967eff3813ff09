using Actors.Redis;
using Microsoft.Extensions.Logging;
using Orleans.Persistence.Redis;
using Orleans.Storage;

namespace Actors.RateLimiting;

/// <summary>
/// The policies that are a client's own, in Orleans' Redis grain storage. They are read when they are first needed, and not
/// when the grain is activated: that would fail while Redis is away. As long as they are not known the configured ones count.
/// </summary>
/// <remarks>Touched by the turns of one grain only; loads and stores run one at a time.</remarks>
internal sealed partial class OwnPolicies(
    GrainId grain, IGrainStorage storage, RedisGateway redis, TimeProvider time, ILogger logger)
{
    /// <summary>The name of the storage provider.</summary>
    public const string Storage = "rate-limits";

    private const string Name = "policies";
    private const int MaxAttempts = 5;

    // What a policy and a window of it take in memory, roughly.
    private const int PolicyBytes = 300;
    private const int WindowBytes = 60;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    // A call that waits for others longer than this is refused: it must not keep the activation from ending.
    private static readonly TimeSpan LongestQueueing = TimeSpan.FromSeconds(5);

    // Replaced as a whole once an operation has ended in time: one that comes late changes nothing here.
    private GrainState<OwnPoliciesState> _stored = new(new());
    private Task? _loading;
    private Task _setting = Task.CompletedTask;
    private long _failed;

    /// <summary>True once they are known.</summary>
    public bool IsLoaded { get; private set; }

    /// <summary>All of them, as far as they are known.</summary>
    public IReadOnlyDictionary<string, RateLimitPolicy> All => _stored.State!.Policies;

    /// <summary>The memory they take.</summary>
    public long Bytes => All.Values.Sum(policy => PolicyBytes + (WindowBytes * policy.Windows.Length));

    public RateLimitPolicy? Find(string policy) => All.GetValueOrDefault(policy);

    /// <summary>Goes by what the activation before knew, until they are loaded.</summary>
    public void Suppose(IReadOnlyDictionary<string, RateLimitPolicy> policies)
    {
        if (!IsLoaded && All.Count == 0) _stored = new(new() { Policies = new(policies) });
    }

    /// <summary>Loads them, unless that was tried a moment ago or Redis is away.</summary>
    public Task LoadAsync()
    {
        if (IsLoaded || !redis.IsClosed(RedisRole.Limits)) return Task.CompletedTask;
        if (_loading is { IsCompleted: false }) return _loading;
        if (_failed != 0 && time.GetElapsedTime(_failed) < Patience) return Task.CompletedTask;
        return _loading = TryLoadAsync();
    }

    /// <summary>Sets a policy, or removes it where there is none.</summary>
    /// <exception cref="StorageUnavailableException">Redis is away.</exception>
    /// <exception cref="InvalidRateLimitException">These would be too many.</exception>
    public async Task SetAsync(string name, RateLimitPolicy? policy)
    {
        // One after the other; what becomes of the one before is told to who asked for it.
        var began = time.GetTimestamp();
        while (!_setting.IsCompleted)
        {
            await Task.WhenAny(_setting);
            if (time.GetElapsedTime(began) > LongestQueueing)
                throw new StorageUnavailableException("Redis", "Earlier changes of this client's policies take too long; nothing was changed by this one.");
        }

        await (_setting = StoreAsync(name, policy));
    }

    private async Task StoreAsync(string name, RateLimitPolicy? policy)
    {
        await LoadAsync();
        if (!IsLoaded || !redis.IsClosed(RedisRole.Limits))
            throw new StorageUnavailableException("Redis", "Redis is away: the policies of this client can be neither read nor changed.");
        using var limit = new CancellationTokenSource(2 * Patience, time);
        try
        {
            _stored = await WriteAsync(_stored, name, policy, limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception error) when (error is not InvalidRateLimitException)
        {
            // Whether it was stored is not known: read again, with the next call.
            IsLoaded = false;
            var reason = error is OperationCanceledException ? $"no answer within {2 * Patience}; the change may be stored yet" : error.Message;
            throw new StorageUnavailableException("Redis", $"The policies of this client could not be stored: {reason}") { MayHaveTakenEffect = true };
        }
    }

    /// <summary>
    /// Stores one change. Each attempt is fenced by the ETag it has read: one that reaches Redis late changes nothing if another
    /// activation has written meanwhile. No attempt begins after the caller was told that it failed.
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
                // Also without policies: a record that was deleted would fence nothing.
                await storage.WriteStateAsync(Name, grain, next);
                return next;
            }
            catch (InconsistentStateException) when (attempt < MaxAttempts)
            {
                // Another activation has written: its policies count. Or Redis came back with older ones, or none: those known here count.
                var there = new GrainState<OwnPoliciesState>(new());
                await storage.ReadStateAsync(Name, grain, there);
                (etag, exists) = (there.ETag, there.RecordExists);
                before = there.State!.Version >= known.State!.Version ? there.State : known.State;
            }
            catch (RedisStorageException) when (attempt < MaxAttempts && redis.IsClosed(RedisRole.Limits))
            {
                // The connection was lost under it, or Redis refused it, and the breaker has not seen that: it may serve a moment later.
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
            : throw new InvalidRateLimitException($"Policy '{name}' would be one of {policies.Count} of this client's own; allowed are {RateLimits.MaxOwnPolicies}.");
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

    [LoggerMessage(Level = LogLevel.Debug, Message = "The own policies of {Grain} cannot be read now: {Reason}")]
    private static partial void LogNotLoaded(ILogger logger, GrainId grain, string reason);
}

/// <summary>What is stored of them.</summary>
[GenerateSerializer, Alias("Actors.OwnPoliciesState")]
internal sealed class OwnPoliciesState
{
    /// <summary>By name.</summary>
    [Id(0)] public Dictionary<string, RateLimitPolicy> Policies { get; set; } = [];

    /// <summary>One more with each change: of two states that differ the one with more is the later.</summary>
    [Id(1)] public long Version { get; set; }
}
