using System.IO.Compression;
using System.Text.Json.Nodes;
using Actors.Fixtures;
using Actors.Recordings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Upgrade;

/// <summary>A row of the database; its state is in the form of <see cref="Ledger.StateOf"/>.</summary>
internal sealed record StoredUser(long Version, JsonNode? State);

/// <summary>
/// A silo of this build on the data that an earlier version left when it was killed (tests/Recordings). The clocks of Redis and of
/// the silo show a time soon after that, because grants and request ids count from then and expire.
/// </summary>
public sealed class RecordedCluster : IAsyncLifetime
{
    private const string Recording = "b90d919";
    private const int Partitions = 8;
    private const int EpochLength = 16;

    // As long as a deployment may take; request ids are remembered for 10 minutes.
    private static readonly TimeSpan SinceTheKill = TimeSpan.FromMinutes(3);

    private readonly TemporaryDirectory _directory = new("upgrade");
    private readonly PostgresServer _postgres = new();
    private RedisServer _redis = null!;
    private ConnectionMultiplexer _connection = null!;
    private NpgsqlDataSource _database = null!;
    private SiloProcess _silo = null!;
    private IHost _app = null!;

    /// <summary>What the earlier version had acknowledged.</summary>
    internal Ledger Ledger { get; private set; } = null!;

    /// <summary>The client.</summary>
    internal ActorsClient Actors => _app.Services.GetRequiredService<ActorsClient>();

    /// <summary>The table after the take-over, before any call.</summary>
    internal IReadOnlyDictionary<string, StoredUser> Table { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (!OperatingSystem.IsLinux()) return;
        Ledger = await Ledger.ReadAsync(FileOf("ledger.json.gz"));
        var offset = Ledger.RecordedAt + SinceTheKill - DateTimeOffset.UtcNow;
        var database = (await Task.WhenAll(StartRedisAsync(offset), StartPostgresAsync()))[1];
        var former = await JournalAsync();
        _silo = await SiloProcess.StartAsync(_directory.Path, new Dictionary<string, string>(ClockOffset.Of(offset))
        {
            ["ConnectionStrings__redis"] = _redis.ConnectionString,
            ["ConnectionStrings__postgres"] = database,
        });
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.AddActorsClient(client => client.Redis = _redis.ConnectionString);
        _app = builder.Build();
        await _app.StartAsync();
        await TakenOverAsync(former);
        Table = await RowsAsync("users");
    }

    public async ValueTask DisposeAsync()
    {
        _app?.Dispose();
        _silo?.Dispose();
        if (_database is not null) await _database.DisposeAsync();
        if (_connection is not null) await _connection.DisposeAsync();
        if (_redis is not null) await _redis.DisposeAsync();
        await _postgres.DisposeAsync();
        _directory.Dispose();
    }

    /// <summary>The rows of a table, read without the code under test.</summary>
    internal async Task<IReadOnlyDictionary<string, StoredUser>> RowsAsync(string table)
    {
        var text = table == "parked" ? "convert_from(state, 'UTF8')" : "state::text";
        await using var command = _database.CreateCommand($"SELECT id, version, {text} FROM {table}");
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new Dictionary<string, StoredUser>(StringComparer.Ordinal);
        while (await reader.ReadAsync()) rows[reader.GetString(0)] = new(reader.GetInt64(1), StateOf(reader.GetString(2)));
        return rows;
    }

    /// <summary>Lets the table take what it refused.</summary>
    internal async Task TakeAllAsync()
    {
        await using var command = _database.CreateCommand("ALTER TABLE users DROP CONSTRAINT not_refused");
        await command.ExecuteNonQueryAsync();
    }

    private static string FileOf(string name) => Path.Combine(Repository.Root, "tests", "Recordings", Recording, name);

    private static GZipStream Open(string name) => new(File.OpenRead(FileOf(name)), CompressionMode.Decompress);

    private static JsonObject? StateOf(string json)
    {
        var state = JsonNode.Parse(json)!.AsObject();
        if (state["deleted"] is not null) return null;
        state.Remove("requests");
        if (state["tags"] is JsonArray tags) state["tags"] = new JsonArray([.. tags.Select(tag => (string)tag!).Order(StringComparer.Ordinal)]);
        return state;
    }

    // No call is made meanwhile: the silo must find by itself what the former one left, and must also remove the entries without a row.
    private async Task TakenOverAsync((IReadOnlySet<string> Silos, long Rows) former)
    {
        var journal = former;
        try
        {
            await Eventually.IsTrueAsync(async () => (journal = await JournalAsync()).Rows == 0 && !journal.Silos.Overlaps(former.Silos));
        }
        catch (TimeoutException)
        {
            Assert.Fail($"Of {former.Rows} rows {journal.Rows} are left in the journal, with entries of {string.Join(", ", journal.Silos)}:\n{_silo.Output}");
        }
    }

    /// <summary>The silos that entries in the journal name, and the number of rows, read without the code under test.</summary>
    private async Task<(IReadOnlySet<string> Silos, long Rows)> JournalAsync()
    {
        var (silos, rows) = (new HashSet<string>(StringComparer.Ordinal), 0L);
        for (var partition = 0; partition < Partitions; partition++)
        {
            var owners = await _connection.GetDatabase().HashValuesAsync($"actors:journal:{{{partition}}}:owners");
            silos.UnionWith(owners.Select(owner => owner.ToString()[EpochLength..]));
            rows += await _connection.GetDatabase().HashLengthAsync($"actors:journal:{{{partition}}}:rows");
        }

        return (silos, rows);
    }

    private async Task<string> StartRedisAsync(TimeSpan offset)
    {
        await using (var content = Open("redis.rdb.gz"))
        await using (var target = File.Create(_directory.File("dump.rdb")))
            await content.CopyToAsync(target);
        var clock = _directory.File("clock");
        ClockOffset.Set(clock, offset);
        _redis = new RedisServer(appendOnly: false, "--dir", _directory.Path) { Environment = ClockOffset.In(clock) };
        await _redis.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync(_redis.ConnectionString);
        return _redis.ConnectionString;
    }

    private async Task<string> StartPostgresAsync()
    {
        await _postgres.StartAsync();
        var database = await _postgres.CreateDatabaseAsync();
        _database = NpgsqlDataSource.Create(database);
        using var reader = new StreamReader(Open("postgres.sql.gz"));

        // The dump sets the search path of its session.
        await using var connection = await _database.OpenConnectionAsync();
        await using var command = new NpgsqlCommand(await reader.ReadToEndAsync(), connection);
        await command.ExecuteNonQueryAsync();
        return database;
    }
}
