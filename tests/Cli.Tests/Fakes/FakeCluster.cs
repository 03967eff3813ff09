using System.Collections.Concurrent;
using Actors.Cli.Connection;

namespace Actors.Cli.Tests.Fakes;

/// <summary>A cluster in memory that can be told to fail.</summary>
internal sealed class FakeCluster : ICluster, IClusterConnector
{
    public ConcurrentDictionary<string, FakeUser> Users { get; } = new(StringComparer.Ordinal);

    /// <summary>Called before each write takes effect; may throw, or wait.</summary>
    public Func<string, UserPatch, WriteOptions, Task> BeforeWrite { get; set; } = (_, _, _) => Pause.ShortlyAsync();

    /// <summary>Called after each write took effect, before it returns its receipt.</summary>
    public Func<string, UserPatch, WriteOptions, Task> AfterWrite { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Called before each read.</summary>
    public Func<string, Task> BeforeRead { get; set; } = _ => Task.CompletedTask;

    public ClusterTarget? Target { get; private set; }

    public int Connections { get; private set; }

    public ClusterStatus CurrentStatus { get; set; } = new() { Silos = [] };

    /// <summary>The number of status requests.</summary>
    public int StatusCalls { get; private set; }

    /// <summary>Called before each status is returned; may throw.</summary>
    public Action BeforeStatus { get; set; } = () => { };

    /// <summary>Called with the silo before its breaker is changed; may throw.</summary>
    public Action<string> BeforeSteering { get; set; } = _ => { };

    /// <summary>Called before the state of a breaker is returned; may throw.</summary>
    public Action BeforeBreakerRead { get; set; } = () => { };

    public IClusterGrain Status => new FakeStatus(this);

    /// <summary>The parked rows.</summary>
    public FakeWriteBehind Parking { get; } = new();

    public IWriteBehindGrain WriteBehind => Parking;

    public IRedisBreakerGrain Breaker(string silo) => new FakeBreaker(silo, this);

    public IUserGrain User(string id)
    {
        UserLimits.ValidateId(id);
        return Users.GetOrAdd(id, key => new(key, this));
    }

    public ConcurrentDictionary<string, FakeLimiter> Limiters { get; } = new(StringComparer.Ordinal);

    /// <summary>The configured policies.</summary>
    public ConcurrentDictionary<string, RateLimitPolicy> Policies { get; } = new(
        [new("default", new() { Name = "default", Windows = [new(100, TimeSpan.FromSeconds(1))] })], StringComparer.Ordinal);

    /// <summary>Called before each call of a limiter takes effect; may throw, or wait.</summary>
    public Func<string, Task> BeforeLimit { get; set; } = _ => Pause.ShortlyAsync();

    /// <summary>True if limiters decide without Redis.</summary>
    public bool IsRedisAway { get; set; }

    public IRateLimiterGrain Limiter(string client)
    {
        RateLimits.ValidateId(client);
        return Limiters.GetOrAdd(client, key => new(key, this));
    }

    public User? Find(string id) => Users.TryGetValue(id, out var user) ? user.Current : null;

    public Task<ICluster> ConnectAsync(ClusterTarget target, CancellationToken cancellationToken)
    {
        (Target, Connections) = (target, Connections + 1);
        return Task.FromResult<ICluster>(this);
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    private sealed class FakeStatus(FakeCluster cluster) : IClusterGrain
    {
        public async Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default)
        {
            await Pause.ShortlyAsync();
            cancellationToken.ThrowIfCancellationRequested();
            cluster.StatusCalls++;
            cluster.BeforeStatus();
            return cluster.CurrentStatus;
        }

        public Task<SiloDeath[]> GetDeathsAsync(CancellationToken cancellationToken = default) => Task.FromResult<SiloDeath[]>([]);
    }
}

/// <summary>A user with the state that its grain would keep.</summary>
internal sealed class FakeUser(string id, FakeCluster cluster) : IUserGrain
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, WriteReceipt> _receipts = new(StringComparer.Ordinal);
    private long _version;

    public User? Current { get; set; }

    public int Flushes { get; private set; }

    public async Task<User?> GetAsync(CancellationToken cancellationToken = default)
    {
        await cluster.BeforeRead(id);
        return Current;
    }

    public async Task<WriteReceipt> UpdateAsync(
        UserPatch patch, WriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= WriteOptions.Default;
        await cluster.BeforeWrite(id, patch, options);
        cancellationToken.ThrowIfCancellationRequested();
        WriteReceipt receipt;
        lock (_gate)
            receipt = Apply(patch, options);
        await cluster.AfterWrite(id, patch, options);
        return receipt;
    }

    public Task<WriteReceipt> DeleteAsync(WriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (Current is not null)
                (Current, _version) = (null, _version + 1);
            return Task.FromResult(new WriteReceipt { Version = _version, Durability = (options ?? WriteOptions.Default).Durability });
        }
    }

    public Task FlushAsync(CancellationToken cancellationToken = default)
    {
        Flushes++;
        return Task.CompletedTask;
    }

    public Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken = default) => Task.CompletedTask;

    private WriteReceipt Apply(UserPatch patch, WriteOptions options)
    {
        if (options.RequestId is { } request && _receipts.TryGetValue(request, out var first))
            return first;
        if (options.ExpectedVersion is { } expected && expected != _version)
            throw new VersionConflictException(id, expected, _version);
        if (patch.Email is { Length: > 0 } email && !email.Contains('@', StringComparison.Ordinal))
            throw new InvalidUserException($"The e-mail address '{email}' has no @.");

        var attributes = Current?.Attributes.ToDictionary() ?? [];
        foreach (var (name, value) in patch.Attributes ?? [])
        {
            if (value is null)
                attributes.Remove(name);
            else
                attributes[name] = value;
        }
        var counters = Current?.Counters.ToDictionary() ?? [];
        foreach (var (name, amount) in patch.Increment ?? [])
            counters[name] = counters.GetValueOrDefault(name) + amount;
        var tags = (Current?.Tags ?? new HashSet<string>()).Union(patch.AddTags ?? []).Except(patch.RemoveTags ?? []).ToHashSet();

        Current = new User
        {
            Id = id,
            Version = ++_version,
            DisplayName = patch.DisplayName ?? Current?.DisplayName,
            Email = patch.Email ?? Current?.Email,
            Attributes = attributes,
            Counters = counters,
            Tags = tags,
            CreatedAt = Current?.CreatedAt ?? DateTimeOffset.UnixEpoch,
            UpdatedAt = DateTimeOffset.UnixEpoch,
        };
        var receipt = new WriteReceipt { Version = _version, Durability = options.Durability };
        if (options.RequestId is { } named)
            _receipts.Add(named, receipt);
        return receipt;
    }
}
