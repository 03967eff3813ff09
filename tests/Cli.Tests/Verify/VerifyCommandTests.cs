using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;
using Microsoft.Data.Sqlite;

namespace Actors.Cli.Tests.Verify;

public sealed class VerifyCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Verify_accepts_a_database_that_matches_the_ledger()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        Assert.Contains("20 users, ", result.Output, StringComparison.Ordinal);
        Assert.Contains("20 rows found in SQLite at ", result.Output, StringComparison.Ordinal);
        Assert.Contains("0 missing, 0 stale, 0 wrong", result.Output, StringComparison.Ordinal);
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(1, user.Flushes));
    }

    [Fact]
    public async Task Later_of_a_parked_and_a_stored_row_counts()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        Execute(database, "INSERT INTO parked SELECT id, version, epoch, CAST(state AS BLOB) FROM users WHERE id IN ('load-1', 'load-2')");
        Execute(database, "UPDATE users SET version = version - 1, state = '{}' WHERE id = 'load-1'");
        Execute(database, "DELETE FROM users WHERE id = 'load-2'");
        Execute(database, "INSERT INTO parked SELECT id, version - 1, epoch, '{}' FROM users WHERE id = 'load-3'");
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        Assert.Contains("20 rows found in SQLite at ", result.Output, StringComparison.Ordinal);
        Assert.Contains("0 missing, 0 stale, 0 wrong", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_stale_and_wrong_users_are_counted_and_listed()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        Execute(database, "DELETE FROM users WHERE id = 'load-1'");
        Execute(database, "UPDATE users SET version = version - 1 WHERE id = 'load-2'");
        Execute(database, """UPDATE users SET state = json_set(state, '$.attributes.load', 'other') WHERE id = 'load-3'""");
        Execute(database, "UPDATE users SET state = 'no json' WHERE id = 'load-4'");
        _shell.Cluster.Users["load-5"].Current = null;

        var text = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal(ExitCode.Failed, text.ExitCode);
        Assert.Contains("2 missing, 1 stale, 3 wrong", text.Output, StringComparison.Ordinal);
        foreach (var line in (string[])["missing: load-1: not in the database", "stale: load-2: the database has version", "wrong: load-3: ",
            "wrong: load-4: version", "missing: load-5: not in the cluster"])
        {
            Assert.Contains(line, text.Output, StringComparison.Ordinal);
        }

        var json = (await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database, "--json")).Json;
        Assert.Equal((20, 19, 2, 1, 3),
            (json.GetProperty("users").GetInt32(), json.GetProperty("rowsFound").GetInt32(), json.GetProperty("missing").GetInt32(),
             json.GetProperty("stale").GetInt32(), json.GetProperty("wrong").GetInt32()));
        Assert.Equal("load-1", json.GetProperty("offenders")[0].GetProperty("id").GetString());
    }

    [Theory]
    [InlineData(+1)]
    [InlineData(-1)]
    public async Task Counter_off_by_one_is_wrong(int by)
    {
        var ledger = await LoadAsync(requestIds: true);
        var database = WriteDatabase();
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database)).ExitCode);

        Execute(database, "UPDATE users SET state = json_set(state, '$.counters.writes', state -> '$.counters.writes' + $by) WHERE id = 'load-7'", ("$by", by));
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.Contains("0 missing, 0 stale, 1 wrong", result.Output, StringComparison.Ordinal);
        Assert.Contains("wrong: load-7: version", result.Output, StringComparison.Ordinal);
        Assert.Contains("state.counters.writes is", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_that_was_acknowledged_twice_is_wrong()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        var first = File.ReadLines(ledger).First();
        await File.AppendAllTextAsync(ledger, first + "\n");
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.Contains("0 missing, 0 stale, 1 wrong", result.Output, StringComparison.Ordinal);
        Assert.Contains("was acknowledged twice", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lost_acknowledged_write_is_reported()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        await File.AppendAllTextAsync(ledger,
            """{"id":"nobody","version":1,"durability":"journal","state":{}}""" + "\n" +
            """{"id":"load-1","version":1000000000,"durability":"database","state":{}}""" + "\n");
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.Contains("1 missing, 1 stale, 0 wrong", result.Output, StringComparison.Ordinal);
        Assert.Contains("missing: nobody: not in the database", result.Output, StringComparison.Ordinal);
        Assert.Contains("stale: load-1: the cluster has version", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_first_failures_are_listed()
    {
        var ledger = await LoadAsync(users: 30);
        var database = WriteDatabase();
        Execute(database, "DELETE FROM users");
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Contains("… and 10 users more", result.Output, StringComparison.Ordinal);
        Assert.Contains("30 missing", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_writes_are_not_checked()
    {
        var ledger = await LoadAsync(durability: "memory");
        var database = WriteDatabase();
        Execute(database, "DELETE FROM users");
        var result = await _shell.RunAsync("verify", "--ledger", ledger, "--sqlite", database);
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains("0 users, 0 acknowledged writes (and ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_of_the_embedded_silo_is_the_default()
    {
        var ledger = await LoadAsync();
        var database = WriteDatabase();
        Directory.CreateDirectory(_shell.Path(".actors"));
        _shell.Write(Path.Combine(".actors", "embedded.json"), JsonSerializer.Serialize(new { pid = 1, redis = "localhost:1", database }));
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("verify", "--ledger", ledger)).ExitCode);
    }

    [Fact]
    public async Task Truncated_ledger_is_read_to_its_end_and_a_corrupt_one_is_rejected()
    {
        var database = WriteDatabase();
        const string Entry = """{"id":"a","version":1,"durability":"memory","state":{}}""";
        var cut = await _shell.RunAsync("verify", "--ledger", _shell.Write("cut", Entry + "\n" + Entry[..20]), "--sqlite", database);
        Assert.Equal(ExitCode.Done, cut.ExitCode);
        Assert.Contains("truncated", cut.Error, StringComparison.Ordinal);

        foreach (var broken in (string[])["x", "{}", """{"id":"a","version":1,"durability":"disk","state":{}}""", """{"id":"a","version":1,"durability":"journal","state":1}"""])
        {
            var result = await _shell.RunAsync("verify", "--ledger", _shell.Write("broken", $"{Entry}\n{broken}\n{Entry}\n"), "--sqlite", database);
            Assert.Equal(ExitCode.Usage, result.ExitCode);
            Assert.Contains("line 2 of", result.OnlyError(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Missing_database_or_ledger_argument_is_reported()
    {
        var ledger = _shell.Write("ledger", "");
        (string Expected, string[] Options)[] cases =
        [
            ("no database to verify", ["--ledger", ledger]),
            ("there is no ledger", ["--ledger", _shell.Path("missing"), "--sqlite", "x"]),
            ("there is no SQLite database", ["--ledger", ledger, "--sqlite", _shell.Path("missing")]),
            ("both --postgres and --sqlite", ["--ledger", ledger, "--sqlite", "x", "--postgres", "Host=x"]),
            ("--postgres is not a valid PostgreSQL connection string", ["--ledger", ledger, "--postgres", "Host=x;Passwor=secret"]),
        ];
        foreach (var (expected, options) in cases)
        {
            var result = await _shell.RunAsync(["verify", .. options]);
            Assert.Equal(ExitCode.Usage, result.ExitCode);
            Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
            Assert.DoesNotContain("secret", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Unresponsive_database_is_unavailable()
    {
        var result = await _shell.RunAsync("verify", "--ledger", _shell.Write("ledger", ""), "--postgres", "Host=127.0.0.1;Port=1;Password=secret;Timeout=2");
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.DoesNotContain("secret", result.OnlyError(), StringComparison.Ordinal);
    }

    private async Task<string> LoadAsync(int users = 20, string durability = "journal", bool requestIds = false)
    {
        var ledger = _shell.Path("ledger.jsonl");
        bool IsEveryUserWrittenTwice() =>
            Enumerable.Range(0, users).All(i => _shell.Cluster.Find($"load-{i}") is { Version: >= 2 });

        await _shell.RunUntilAsync(
            IsEveryUserWrittenTwice,
            [
                "load", "writes", "--seconds", "86400", "--users", $"{users}", "--concurrency", "4", "--ledger", ledger,
                "--durability", durability, .. requestIds ? ["--request-ids"] : Array.Empty<string>(),
            ]);
        return ledger;
    }

    /// <summary>Writes a database as the silos would.</summary>
    private string WriteDatabase()
    {
        var path = _shell.Path("actors.db");
        Execute(path, "CREATE TABLE users (id TEXT PRIMARY KEY, version INTEGER NOT NULL, epoch INTEGER, state TEXT NOT NULL)");
        Execute(path, "CREATE TABLE parked (id TEXT PRIMARY KEY, version INTEGER NOT NULL, epoch INTEGER, state BLOB NOT NULL)");
        foreach (var user in _shell.Cluster.Users.Values.Select(u => u.Current!))
        {
            var state = JsonSerializer.Serialize(new
            {
                attributes = user.Attributes,
                counters = user.Counters,
                createdAt = user.CreatedAt.ToUnixTimeMilliseconds(),
                updatedAt = user.UpdatedAt.ToUnixTimeMilliseconds(),
            });
            Execute(path, "INSERT INTO users (id, version, state) VALUES ($id, $version, $state)",
                ("$id", user.Id), ("$version", user.Version), ("$state", state));
        }
        return path;
    }

    private static void Execute(string path, string sql, params (string Name, object Value)[] parameters)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are written in this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value);
        command.ExecuteNonQuery();
    }
}
