using System.Text;
using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.RateLimiting;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Core.Internal;
using Orleans.TestingHost;
using StackExchange.Redis;

namespace Actors.Cluster.Tests;

/// <summary>Silos in this process over real Redis and PostgreSQL, with their own database and key prefix.</summary>
public sealed class TestCluster : IAsyncDisposable
{
    private readonly RedisServer _redis;

    private TestCluster(RedisServer redis, InProcessTestCluster silos, string database, string keyPrefix)
    {
        _redis = redis;
        Silos = silos;
        Database = database;
        KeyPrefix = keyPrefix;
    }

    public InProcessTestCluster Silos { get; }

    public string Database { get; }

    public string KeyPrefix { get; }

    public static async Task<TestCluster> StartAsync(
        ServersFixture servers, short silos = 2, Action<WriteBehindOptions>? configure = null,
        RedisServer? redis = null, BreakerOptions? breaker = null, TimeProvider? time = null, string? keyPrefix = null,
        Action<RateLimitOptions>? limits = null, Action<IServiceCollection>? services = null)
    {
        redis ??= servers.Redis;
        var database = await servers.Postgres.CreateDatabaseAsync();
        var prefix = keyPrefix ?? "test-" + Guid.NewGuid().ToString("n");
        var builder = new InProcessTestClusterBuilder(silos);
        builder.ConfigureSilo((_, silo) =>
        {
            if (time is not null) silo.Services.AddSingleton(time);
            silo.AddActors();
            silo.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Warning));
            silo.Services.AddSingleton<IRowStore>(_ => new PostgresRowStore(database));
            silo.Services.Configure<RedisOptions>(options =>
            {
                options.ConnectionString = redis.ConnectionString;
                options.KeyPrefix = prefix;
            });
            silo.Services.AddSingleton(Options.Create(breaker ?? Contracts.Patience.Breaker));
            if (configure is not null) silo.Services.Configure(configure);
            if (limits is not null) silo.Services.Configure(limits);
            services?.Invoke(silo.Services);
        });

        // A minute by default; a silo that joins is soon found.
        builder.ConfigureClient(client => client.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2)));
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new TestCluster(redis, cluster, database, prefix);
    }

    public IUserGrain User(string id) => Silos.Client.GetGrain<IUserGrain>(id);

    public IRateLimiterGrain Limiter(string client) => Silos.Client.GetGrain<IRateLimiterGrain>(client);

    public IClusterGrain Cluster => Silos.Client.GetGrain<IClusterGrain>("status");

    /// <summary>Deactivates a grain; the next call activates it again.</summary>
    public static async Task DeactivateAsync(IAddressable grain)
    {
        await grain.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Task.Delay(TimeSpan.FromMilliseconds(200));
    }

    /// <summary>Reads one value from the database without the code under test.</summary>
    public async Task<T?> QueryAsync<T>(string sql, params object[] parameters)
    {
        await using var source = NpgsqlDataSource.Create(Database);
        await using var command = source.CreateCommand(sql);
        foreach (var parameter in parameters) command.Parameters.AddWithValue(parameter);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }

    /// <summary>The number of fields of a hash of the journal over all partitions.</summary>
    public async Task<long> JournalLengthAsync(string hash)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_redis.ConnectionString);
        var lengths = Enumerable.Range(0, Partition.Count)
            .Select(partition => redis.GetDatabase().HashLengthAsync($"{KeyPrefix}:journal:{{{partition}}}:{hash}"));
        return (await Task.WhenAll(lengths)).Sum();
    }

    /// <summary>True while an activation has the right to write <paramref name="key"/>.</summary>
    public async Task<bool> IsOwnedAsync(string key)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_redis.ConnectionString);
        string? owner = await redis.GetDatabase().HashGetAsync($"{KeyPrefix}:journal:{{{Partition.Of(key)}}}:owners", key);
        return owner is not null && !owner.StartsWith("0000000000000000", StringComparison.Ordinal);
    }

    /// <summary>A separate connection to the journal's Redis.</summary>
    public RedisGateway OpenRedis() => new(
        new RedisOptions { ConnectionString = _redis.ConnectionString, KeyPrefix = KeyPrefix }, Contracts.Patience.Breaker);

    // For silos that do not exist; each numbers its own appends.
    private static int _strangers;

    /// <summary>Acts as a second activation of a user: claims the key and journals a row.</summary>
    public async Task ClaimAndWriteAsync(string key, long version, string state)
    {
        await using var redis = OpenRedis();
        var journal = new Journal(redis, $"S127.0.0.1:1:{Interlocked.Increment(ref _strangers)}", journaled: _ => { }, new WriteBehindCounters(), NullLogger.Instance);
        var (owner, _) = await journal.ClaimAsync(key);
        Assert.Equal(AppendOutcome.Journaled, await journal.AppendAsync(new Row(key, version, owner.Epoch, Encoding.UTF8.GetBytes(state))));
    }

    /// <summary>Deletes the journal, as in a Redis that comes back empty.</summary>
    public async Task DeleteJournalAsync()
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_redis.ConnectionString);
        foreach (var hash in (string[])["owners", "rows", "epoch"])
        {
            for (var partition = 0; partition < Partition.Count; partition++)
                await redis.GetDatabase().KeyDeleteAsync($"{KeyPrefix}:journal:{{{partition}}}:{hash}");
        }
    }

    public async ValueTask DisposeAsync() => await Silos.DisposeAsync();
}
