using Actors.RateLimiting;
using Actors.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Contracts;

/// <summary>The contract of a limiter, run against Redis and its replacement. Each test has its own keys.</summary>
public abstract partial class LimiterContract : IAsyncLifetime
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly string _prefix = $"limits-{Guid.NewGuid():n}";
    private RedisGateway _redis = null!;
    private ConnectionMultiplexer _raw = null!;

    /// <summary>Starts the server if needed and returns its connection string.</summary>
    protected abstract Task<string> StartAsync();

    private protected IDatabase Raw => _raw.GetDatabase();

    public async ValueTask InitializeAsync()
    {
        var address = await StartAsync();
        _redis = new RedisGateway(new RedisOptions { ConnectionString = address, KeyPrefix = _prefix }, Patience.Breaker);
        _raw = await ConnectionMultiplexer.ConnectAsync(address);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _redis.DisposeAsync();
        await _raw.DisposeAsync();
    }

    private protected LimiterActor Open(string client, params RateLimitWindow[] windows) => Open(client, PolicyOf(windows));

    private protected LimiterActor Open(string client, RateLimitWindow window, double reservedShare) =>
        Open(client, PolicyOf(window), reservedShare: reservedShare);

    private protected LimiterActor Open(string client, RateLimitPolicy policy, TimeProvider? time = null, double reservedShare = 0)
    {
        var counters = new LimiterCounters(new ConfiguredPolicies(new StaticOptions()));
        return new LimiterActor(client, new RedisGrantLogStore(_redis, time ?? TimeProvider.System, counters), counters, policy, reservedShare);
    }

    private protected static RateLimitPolicy PolicyOf(params RateLimitWindow[] windows) => new() { Name = "p", Windows = windows };

    private protected static RedisKey LogOf(LimiterActor limiter, string client) => limiter.Logs.LogKey(client, "p");

    private sealed class StaticOptions : IOptionsMonitor<RateLimitOptions>
    {
        public RateLimitOptions CurrentValue { get; } = new();

        public RateLimitOptions Get(string? name) => CurrentValue;

        public IDisposable? OnChange(Action<RateLimitOptions, string?> listener) => null;
    }
}
