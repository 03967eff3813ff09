using System.Diagnostics;
using System.IO.Compression;
using Actors.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using StackExchange.Redis;

namespace Actors.Recordings;

/// <summary>
/// Records what a silo of this checkout leaves behind when it is killed: starts Redis, PostgreSQL and a silo, makes it acknowledge
/// much that it does not flush, kills it, and keeps the data of both servers together with a <see cref="Ledger"/>.
/// </summary>
internal static class Recorder
{
    /// <summary>The longest allowed: nothing but what is asked for is flushed before the silo is killed.</summary>
    private static readonly TimeSpan FlushInterval = TimeSpan.FromMinutes(1);

    public static async Task RunAsync(string directory)
    {
        Directory.CreateDirectory(directory);
        await using var redis = await RedisServer.StartNewAsync();
        await using var postgres = await PostgresServer.StartNewAsync();
        var database = await postgres.CreateDatabaseAsync();
        using var work = new TemporaryDirectory("recording");
        var environment = new Dictionary<string, string>
        {
            ["ConnectionStrings__redis"] = redis.ConnectionString,
            ["ConnectionStrings__postgres"] = database,
            ["Actors__WriteBehind__FlushInterval"] = FlushInterval.ToString("c"),
            ["Actors__WriteBehind__BatchSize"] = "50000",
        };
        using var silo = await SiloProcess.StartAsync(work.Path, environment);
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},allowAdmin=true");
        var server = connection.GetServers().Single();
        await using var source = NpgsqlDataSource.Create(database);
        await using var refuse = source.CreateCommand(
            $"ALTER TABLE users ADD CONSTRAINT not_refused CHECK (state ->> 'displayName' IS DISTINCT FROM '{UserRecorder.RefusedName}')");
        await refuse.ExecuteNonQueryAsync();

        var (users, clients) = await WriteAsync(redis.ConnectionString, source);
        await silo.KillAsync();
        var ledger = new Ledger(new DateTimeOffset(await server.TimeAsync(), TimeSpan.Zero), users, clients);
        await ledger.WriteAsync(Path.Combine(directory, "ledger.json.gz"));
        await CheckAsync(connection.GetDatabase(), ledger);
        await server.ExecuteAsync("SAVE");
        var dump = (string)((RedisResult[])(await server.ExecuteAsync("CONFIG", "GET", "dir"))!)[1]!;
        await PackAsync(Path.Combine(dump, "dump.rdb"), Path.Combine(directory, "redis.rdb.gz"));
        await DumpAsync(database, work.File("postgres.sql"));
        await PackAsync(work.File("postgres.sql"), Path.Combine(directory, "postgres.sql.gz"));
        Console.WriteLine($"Recorded {users.Count} users and {clients.Count} clients in {directory}");
    }

    private static async Task<(IReadOnlyList<RecordedUser> Users, IReadOnlyList<RecordedClient> Clients)> WriteAsync(string redis, NpgsqlDataSource database)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.AddActorsClient(options => options.Redis = redis);
        using var host = builder.Build();
        await host.StartAsync();
        var actors = host.Services.GetRequiredService<ActorsClient>();
        var (users, limits) = (new UserRecorder(actors), new LimitRecorder(actors));

        // Overwritten below, after they were deactivated: these are also in the table, and those below are read from there.
        await Task.WhenAll(users.WriteFlushedAsync("again", 100), users.WriteParkedAsync("parked", 20), users.WriteParkedAsync("corrected", 10));

        var watch = Stopwatch.StartNew();
        await users.WriteJournaledAsync("left", 200, Place.Released);
        await host.Services.GetRequiredService<IClusterClient>().GetGrain<IManagementGrain>(0).ForceActivationCollection(TimeSpan.Zero);
        await Task.WhenAll(
            users.WriteFlushedAsync("flushed", 100), users.WriteJournaledAsync("again", 100), users.WriteCorrectedAsync("corrected", 10),
            users.WriteJournaledAsync("new", 500), users.WriteOddAsync(), users.WriteDeletedAsync("deleted", 120), users.WriteNamedAsync("named", 120));
        await limits.SetPoliciesAsync("own", 9);
        await limits.UseAsync("full", 6, left: 0);
        await limits.UseAsync("part", 6, left: 7);
        await limits.UseOftenAsync("often", 1000);
        Console.WriteLine($"The silo acknowledged all this within {watch.Elapsed.TotalSeconds:0.0} s");
        return watch.Elapsed < FlushInterval
            ? (users.Users, limits.Clients)
            : throw new InvalidOperationException($"The recording took {watch.Elapsed}, so the silo has flushed. Try again on a faster machine.");
    }

    /// <summary>Checks that the silo was killed with what the recording is about.</summary>
    private static async Task CheckAsync(IDatabase redis, Ledger ledger)
    {
        var (rows, owned, released) = (0L, 0L, 0L);
        for (var partition = 0; partition < 8; partition++)
        {
            rows += await redis.HashLengthAsync($"actors:journal:{{{partition}}}:rows");
            foreach (var owner in await redis.HashGetAllAsync($"actors:journal:{{{partition}}}:owners"))
            {
                if (owner.Value.ToString().StartsWith(new string('0', 16), StringComparison.Ordinal)) released++;
                else owned++;
            }
        }

        Console.WriteLine($"The journal has {rows} rows, {owned} owned users and {released} users without an owner");
        var places = ledger.Users.CountBy(user => user.Place).ToDictionary();
        if (rows != places[Place.Journal] + places[Place.Released] || released != places[Place.Released] || owned < places[Place.Journal] + places[Place.Table])
            throw new InvalidOperationException($"Expected were {string.Join(", ", places)}.");
    }

    // As INSERT statements, which any client can execute. Without settings that other versions do not know.
    private static async Task DumpAsync(string database, string file)
    {
        var target = new NpgsqlConnectionStringBuilder(database);
        using var dump = Process.Start(new ProcessStartInfo("pg_dump",
        [
            "--host", target.Host!, "--port", $"{target.Port}", "--username", target.Username!, "--no-owner", "--no-privileges", "--no-comments",
            "--rows-per-insert", "100", target.Database!,
        ])
        {
            RedirectStandardOutput = true,
            Environment = { ["PGPASSWORD"] = target.Password },
        })!;
        var lines = (await dump.StandardOutput.ReadToEndAsync()).Split('\n')
            .Where(line => !line.StartsWith("SET ", StringComparison.Ordinal) && !line.StartsWith('\\') && !line.StartsWith("--", StringComparison.Ordinal));
        await dump.WaitForExitAsync();
        if (dump.ExitCode != 0) throw new InvalidOperationException($"pg_dump ended with exit code {dump.ExitCode}.");
        await File.WriteAllTextAsync(file, string.Join('\n', lines));
    }

    private static async Task PackAsync(string file, string packed)
    {
        await using var content = File.OpenRead(file);
        await using var target = new GZipStream(File.Create(packed), CompressionLevel.SmallestSize);
        await content.CopyToAsync(target);
    }
}
