using Actors.Resilience;
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
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly GrainState<OwnPoliciesState> _stored = new(new());
    private Task? _loading;
    private Task _setting = Task.CompletedTask;
    private long _failed;

    /// <summary>True once they are known.</summary>
    public bool IsLoaded { get; private set; }

    public RateLimitPolicy? Find(string policy) => _stored.State?.Policies.GetValueOrDefault(policy);

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
        while (!_setting.IsCompleted) await Task.WhenAny(_setting);
        await (_setting = StoreAsync(name, policy));
    }

    private async Task StoreAsync(string name, RateLimitPolicy? policy)
    {
        await LoadAsync();
        if (!IsLoaded || !redis.IsClosed(RedisRole.Limits))
            throw new StorageUnavailableException("Redis", "Redis is away: the policies of this client can be neither read nor changed.");
        var policies = new Dictionary<string, RateLimitPolicy>(_stored.State!.Policies);
        if (policy is null) policies.Remove(name);
        else policies[name] = policy;
        if (policies.Count > RateLimits.MaxOwnPolicies)
            throw new InvalidRateLimitException($"Policy '{name}' would be one of {policies.Count} of this client's own; allowed are {RateLimits.MaxOwnPolicies}.");

        var before = _stored.State;
        _stored.State = new() { Policies = policies };
        try
        {
            await WriteAsync().WaitAsync(2 * Patience, time);
        }
        catch (Exception error)
        {
            // Nobody knows whether it was stored: read again, with the next call.
            _stored.State = before;
            IsLoaded = false;
            throw new StorageUnavailableException("Redis", $"The policies of this client could not be stored: {error.Message}");
        }
    }

    private async Task WriteAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await (_stored.State!.Policies.Count == 0
                    ? storage.ClearStateAsync(Name, grain, _stored)
                    : storage.WriteStateAsync(Name, grain, _stored));
                return;
            }
            catch (InconsistentStateException) when (attempt < MaxAttempts)
            {
                // Redis came back without them, or with older ones: what is known here counts.
                var there = new GrainState<OwnPoliciesState>(new());
                await storage.ReadStateAsync(Name, grain, there);
                (_stored.ETag, _stored.RecordExists) = (there.ETag, there.RecordExists);
            }
            catch (RedisStorageException) when (attempt < MaxAttempts && redis.IsClosed(RedisRole.Limits))
            {
                // The storage has a connection of its own, which comes back a moment later.
                await Task.Delay(Pause * (0.5 + Random.Shared.NextDouble()), time);
            }
        }
    }

    private async Task TryLoadAsync()
    {
        try
        {
            await storage.ReadStateAsync(Name, grain, _stored).WaitAsync(Patience, time);
            IsLoaded = true;
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
}
