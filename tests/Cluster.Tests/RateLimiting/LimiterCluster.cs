using System.Globalization;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Limiter tests that share two silos and a separate Redis. Some count its commands, so they run one at a time.</summary>
[CollectionDefinition(Name)]
public sealed class LimiterCollection : ICollectionFixture<LimiterCluster>
{
    public const string Name = "limiters";
}

/// <summary>Two silos with their own Redis, and what tests inspect in it.</summary>
public sealed class LimiterCluster(ServersFixture servers) : IAsyncLifetime
{
    private ConnectionMultiplexer _connection = null!;

    public RedisServer Redis { get; } = new();

    public TestCluster Cluster { get; private set; } = null!;

    public IDatabase Database => _connection.GetDatabase();

    private IServer Server => _connection.GetServer(_connection.GetEndPoints()[0]);

    public async ValueTask InitializeAsync()
    {
        await Redis.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync($"{Redis.ConnectionString},allowAdmin=true");
        Cluster = await TestCluster.StartAsync(servers, silos: 2, redis: Redis);
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await _connection.DisposeAsync();
        await Redis.DisposeAsync();
    }

    /// <summary>A unique client id.</summary>
    public static string AnyClient() => $"client-{Guid.NewGuid():n}";

    /// <summary>The limiter of a new client whose default policy has these windows.</summary>
    public Task<(IRateLimiterGrain Limiter, string Client)> LimitedAsync(params RateLimitWindow[] windows) =>
        LimitedAsync(new RateLimitPolicy { Name = RateLimits.DefaultPolicy, Windows = windows });

    /// <inheritdoc cref="LimitedAsync(RateLimitWindow[])"/>
    public async Task<(IRateLimiterGrain Limiter, string Client)> LimitedAsync(RateLimitPolicy policy)
    {
        var client = AnyClient();
        var limiter = Cluster.Limiter(client);
        await limiter.SetPolicyAsync(policy);
        return (limiter, client);
    }

    /// <summary>A window with this limit.</summary>
    public static RateLimitWindow Per(int limit, TimeSpan duration) => new(limit, duration);

    /// <summary>All Redis keys of the grants of a client.</summary>
    public async Task<IReadOnlyList<RedisKey>> KeysAsync(string client)
    {
        var keys = new List<RedisKey>();
        await foreach (var key in Server.KeysAsync(pattern: $"{Cluster.KeyPrefix}:limits:*", pageSize: 1000))
        {
            if (((string)key!).Contains(client, StringComparison.Ordinal)) keys.Add(key);
        }
        return keys;
    }

    /// <summary>The times of a client's grants as stored in Redis, as text.</summary>
    public async Task<IReadOnlyList<string>> LoggedTimesAsync(string client)
    {
        var log = (await KeysAsync(client)).Single(key => ((string)key!).Contains(":log:", StringComparison.Ordinal));
        var entries = (string[])(await Database.ScriptEvaluateAsync("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')", [log]))!;

        // One more entry names the owner and has no time.
        return [.. entries.Where((_, index) => index % 2 == 1).Where(score => score != "inf")];
    }

    /// <summary>The number of scripts that Redis ran.</summary>
    public async Task<long> ScriptCallsAsync() =>
        (await Server.InfoAsync("commandstats")).SelectMany(section => section)
        .Where(command => command.Key is "cmdstat_eval" or "cmdstat_evalsha")
        .Sum(command => long.Parse(command.Value.Split('=', ',')[1], CultureInfo.InvariantCulture));

    /// <summary>The number of changes that Redis made to its data.</summary>
    public async Task<long> ChangesAsync() =>
        long.Parse((await Server.InfoAsync("persistence"))[0].Single(each => each.Key == "rdb_changes_since_last_save").Value, CultureInfo.InvariantCulture);

    /// <summary>The time of the clock of Redis.</summary>
    public async Task<DateTimeOffset> TimeAsync() => await Server.TimeAsync();

    /// <summary>Calls sequentially until one is granted.</summary>
    public static async Task<RateLimitDecision> GrantedAsync(IRateLimiterGrain limiter, int permits = 1)
    {
        RateLimitDecision decision = null!;
        await Eventually.IsTrueAsync(async () => (decision = await limiter.AcquireAsync(new() { Permits = permits })).IsAllowed);
        return decision;
    }
}
