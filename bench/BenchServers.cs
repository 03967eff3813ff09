using System.Globalization;
using Actors.Bench.App;
using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;
using StackExchange.Redis;

namespace Actors.Bench;

/// <summary>
/// Redis (append-only file, synced every second) and PostgreSQL (default settings), shared by all contenders of a case. They
/// come from <c>ConnectionStrings__redis</c> and <c>ConnectionStrings__postgres</c>, or are started for the case. Each
/// contender has its own databases and key prefix, which are removed afterwards.
/// </summary>
internal sealed class BenchServers : IAsyncDisposable
{
    private readonly string _run = Guid.NewGuid().ToString("n")[..12];
    private readonly List<string> _databases = [];
    private RedisServer? _ownRedis;
    private PostgresServer? _ownPostgres;
    private ConnectionMultiplexer? _redis;
    private string _postgres = "";
    private AppCluster? _app;

    private BenchServers()
    {
    }

    /// <summary>The connection string of Redis.</summary>
    public string Redis { get; private set; } = "";

    /// <summary>The prefix of all keys.</summary>
    public string KeyPrefix => $"bench-{_run}";

    /// <summary>What the load generator of an app takes by itself; null if no case was measured from one.</summary>
    public AppTurn? EmptyLoop => _app?.EmptyLoop;

    /// <summary>Without servers.</summary>
    public static BenchServers None() => new();

    public static async Task<BenchServers> StartAsync()
    {
        var servers = new BenchServers();
        try
        {
            await Task.WhenAll(servers.StartRedisAsync(), servers.StartPostgresAsync());
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    /// <summary>Creates a database with the silo's migrations and returns its connection string.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"bench_{_run}_{_databases.Count}";
        await ExecuteAsync(_postgres, $"CREATE DATABASE {name}");
        _databases.Add(name);
        var database = new NpgsqlConnectionStringBuilder(_postgres) { Database = name }.ConnectionString;
        await using var store = new PostgresRowStore(database);
        await store.MigrateAsync(CancellationToken.None);
        return database;
    }

    /// <summary>The silo and the app as processes, for cases from an app; started by the first contender, shared by all.</summary>
    public async Task<AppCluster> AppClusterAsync() => _app ??= await AppCluster.StartAsync(this);

    /// <summary>Empties the table of users, so that all turns start equal.</summary>
    public static Task TruncateUsersAsync(string database) => ExecuteAsync(database, "TRUNCATE users");

    /// <summary>Reads one number from a database.</summary>
    public static async Task<long> CountAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(sql);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }

    /// <summary>Makes PostgreSQL flush its dirty pages, so that no contender pays for the previous one.</summary>
    public Task SettleAsync() => _postgres == "" ? Task.CompletedTask : ExecuteAsync(_postgres, "CHECKPOINT");

    /// <summary>The CPU time that Redis has used so far.</summary>
    public async Task<TimeSpan> RedisCpuAsync()
    {
        if (_redis is null) return TimeSpan.Zero;
        var server = _redis.GetServers()[0];
        var cpu = (await server.InfoAsync("cpu")).SelectMany(section => section)
            .Where(entry => entry.Key is "used_cpu_sys" or "used_cpu_user")
            .Sum(entry => double.Parse(entry.Value, CultureInfo.InvariantCulture));
        return TimeSpan.FromSeconds(cpu);
    }

    /// <summary>The memory that Redis uses for its data, in bytes.</summary>
    public async Task<long> RedisMemoryAsync() => (await _redis!.GetServers()[0].InfoAsync("memory"))
        .SelectMany(section => section)
        .Where(entry => entry.Key == "used_memory_dataset")
        .Sum(entry => long.Parse(entry.Value, CultureInfo.InvariantCulture));

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        if (_ownPostgres is null)
        {
            foreach (var database in _databases) await ExecuteAsync(_postgres, $"DROP DATABASE {database} WITH (FORCE)");
        }

        if (_redis is not null)
        {
            if (_ownRedis is null) await RemoveKeysAsync(_redis);
            await _redis.DisposeAsync();
        }

        if (_ownPostgres is not null) await _ownPostgres.DisposeAsync();
        if (_ownRedis is not null) await _ownRedis.DisposeAsync();
    }

    private async Task StartRedisAsync()
    {
        Redis = Environment.GetEnvironmentVariable("ConnectionStrings__redis") ?? "";
        if (Redis == "")
        {
            _ownRedis = await RedisServer.StartNewAsync();
            Redis = _ownRedis.ConnectionString;
        }

        // INFO needs admin mode.
        _redis = await ConnectionMultiplexer.ConnectAsync(Redis, options => options.AllowAdmin = true);
    }

    private async Task StartPostgresAsync()
    {
        _postgres = Environment.GetEnvironmentVariable("ConnectionStrings__postgres") ?? "";
        if (_postgres != "") return;
        _ownPostgres = await PostgresServer.StartNewAsync();
        _postgres = _ownPostgres.ConnectionString;
    }

    // A peer puts its own prefix before ours.
    private async Task RemoveKeysAsync(ConnectionMultiplexer redis)
    {
        foreach (var server in redis.GetServers().Where(server => !server.IsReplica))
        {
            await foreach (var keys in server.KeysAsync(pattern: $"*{KeyPrefix}*", pageSize: 1000).Chunk(1000))
                await redis.GetDatabase().KeyDeleteAsync(keys);
        }
    }

    private static async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(database) { Pooling = false, CommandTimeout = 120 }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
