using System.Globalization;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Tests of limiters that share two silos, and a Redis of their own: some count what is asked of it, so one at a time.</summary>
[CollectionDefinition(Name)]
public sealed class LimiterCollection : ICollectionFixture<LimiterCluster>
{
    public const string Name = "limiters";
}

/// <summary>Two silos, a Redis that nobody else uses, and what tests look at in it.</summary>
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

    /// <summary>A client nobody else has.</summary>
    public static string AnyClient() => $"client-{Guid.NewGuid():n}";

    /// <summary>The limiter of such a client whose default policy has these windows.</summary>
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

    /// <summary>A window of so many permits.</summary>
    public static RateLimitWindow Per(int limit, TimeSpan duration) => new(limit, duration);

    /// <summary>All keys of what a client was granted.</summary>
    public async Task<IReadOnlyList<RedisKey>> KeysAsync(string client)
    {
        var keys = new List<RedisKey>();
        await foreach (var key in Server.KeysAsync(pattern: $"{Cluster.KeyPrefix}:limits:*", pageSize: 1000))
        {
            if (((string)key!).Contains(client, StringComparison.Ordinal)) keys.Add(key);
        }
        return keys;
    }

    /// <summary>The times at which a client was granted something, as Redis has them; text, as they are kept.</summary>
    public async Task<IReadOnlyList<string>> LoggedTimesAsync(string client)
    {
        var log = (await KeysAsync(client)).Single(key => ((string)key!).Contains(":log:", StringComparison.Ordinal));
        var entries = (string[])(await Database.ScriptEvaluateAsync("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')", [log]))!;

        // One more names the owner, and has no time.
        return [.. entries.Where((_, index) => index % 2 == 1).Where(score => score != "inf")];
    }

    /// <summary>How many scripts Redis was asked to run.</summary>
    public async Task<long> ScriptCallsAsync() =>
        (await Server.InfoAsync("commandstats")).SelectMany(section => section)
        .Where(command => command.Key is "cmdstat_eval" or "cmdstat_evalsha")
        .Sum(command => long.Parse(command.Value.Split('=', ',')[1], CultureInfo.InvariantCulture));

    /// <summary>How many changes Redis has made to its data.</summary>
    public async Task<long> ChangesAsync() =>
        long.Parse((await Server.InfoAsync("persistence"))[0].Single(each => each.Key == "rdb_changes_since_last_save").Value, CultureInfo.InvariantCulture);

    /// <summary>What the clock of Redis shows.</summary>
    public async Task<DateTimeOffset> TimeAsync() => await Server.TimeAsync();

    /// <summary>Calls one after the other until one is granted.</summary>
    public static async Task<RateLimitDecision> GrantedAsync(IRateLimiterGrain limiter, int permits = 1)
    {
        RateLimitDecision decision = null!;
        await Eventually.IsTrueAsync(async () => (decision = await limiter.AcquireAsync(new() { Permits = permits })).IsAllowed);
        return decision;
    }
}
