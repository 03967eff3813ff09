using System.Text.Json;
using System.Text.Json.Serialization;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;
using Microsoft.Data.Sqlite;

namespace Actors.Cli.Tests.Export;

public sealed class ExportCommandTests : IDisposable
{
    private static readonly string[] Odd =
    [
        "plain", " a ", "a;b", "a,b", "\"", "\"\"", "a\r\nb", "\r", "\n x", "\t", "[", "[\"a\"]", "{}", "é👋", "\u0001\u001f", "\u2028", "\ufeff",
        "\uffff", "=1+1", "null", "'", "\\", "a\"b,c\r\n", ";", "\u00a0",
    ];

    private static readonly JsonSerializerOptions Stored = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly Shell _shell = new();
    private readonly string _database;

    public ExportCommandTests()
    {
        _database = _shell.Path("actors.db");
        Execute("CREATE TABLE users (id TEXT PRIMARY KEY, version INTEGER NOT NULL, epoch INTEGER, state TEXT NOT NULL)");
        Execute("CREATE TABLE parked (id TEXT PRIMARY KEY, version INTEGER NOT NULL, epoch INTEGER, state BLOB NOT NULL)");
    }

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("users.jsonl")]
    [InlineData("users.jsonl.gz")]
    [InlineData("users.csv")]
    [InlineData("users.csv.gz")]
    public async Task Import_reads_an_export_back_without_loss(string name)
    {
        var users = OddUsers().ToList();
        foreach (var user in users) Insert(user);
        var file = _shell.Path(name);
        var exported = await _shell.RunAsync("export", file, "--sqlite", _database);
        Assert.Equal((ExitCode.Done, $"{users.Count} exported", ""), (exported.ExitCode, exported.Output.Trim(), exported.Error));

        var imported = await _shell.RunAsync("import", file);
        Assert.Equal((ExitCode.Done, $"{users.Count} imported, 0 skipped", ""), (imported.ExitCode, imported.Output.Trim(), imported.Error));
        Assert.Equal(users.Count, _shell.Cluster.Users.Count);
        Assert.All(users, user => AssertSame(user, _shell.Cluster.Find(user.Id)!));
    }

    [Fact]
    public async Task Names_beyond_the_column_limit_are_exported()
    {
        var users = Enumerable.Range(0, 700).Select(i => NewUser(
            $"u{i}", attributes: new() { [$"a{i:D3}"] = $"{i}", ["shared"] = "s" }, counters: new() { [$"c{i:D3}"] = i })).ToList();
        foreach (var user in users) Insert(user);
        var file = _shell.Path("users.csv");
        await _shell.RunAsync("export", file, "--as-is", "--sqlite", _database);
        var header = File.ReadLines(file).First();
        Assert.Equal(4 + 500 + 500 + 2, header.Split(',').Length);
        Assert.EndsWith(",attributes,counters", header, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("import", file)).ExitCode);
        Assert.All(users, user => AssertSame(user, _shell.Cluster.Find(user.Id)!));
    }

    [Fact]
    public async Task Deleted_users_are_skipped_and_the_later_of_parked_and_stored_rows_is_exported()
    {
        Insert(NewUser("a", name: "old"));
        Insert(NewUser("b", name: "new"), version: 9);
        Execute("INSERT INTO users (id, version, state) VALUES ('gone', 3, '{\"deleted\":true}')");
        Execute("INSERT INTO parked (id, version, state) VALUES ('a', 5, CAST('{\"displayName\":\"parked\"}' AS BLOB)), ('b', 5, CAST('{}' AS BLOB))");
        var result = await _shell.RunAsync("export", "--as-is", "--sqlite", _database);
        Assert.Equal((ExitCode.Done, "2 exported"), (result.ExitCode, result.Error.Trim()));
        Assert.Equal(
            ["""{"id":"a","displayName":"parked"}""", """{"id":"b","displayName":"new"}"""],
            result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    [Fact]
    public async Task Invalid_row_is_reported_and_the_others_are_exported()
    {
        Insert(NewUser("a"));
        foreach (var (id, state) in (ReadOnlySpan<(string, string)>)[("w", "no json"), ("x", "null"), ("y", "[]"), ("z", "{\"attributes\":{\"a\":null}}")])
            Execute("INSERT INTO users (id, version, state) VALUES ($id, 1, $state)", ("$id", id), ("$state", state));
        foreach (var format in (string[])["jsonl", "csv"])
        {
            var result = await _shell.RunAsync("export", "--as-is", "--sqlite", _database, "--format", format);
            Assert.Equal(ExitCode.Failed, result.ExitCode);
            Assert.All("wxyz", id => Assert.Contains($"user '{id}': the state ", result.Error, StringComparison.Ordinal));
            Assert.Contains("1 exported, 4 could not be read", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Export_waits_until_earlier_acknowledged_writes_are_flushed()
    {
        var reports = 0;
        _shell.Cluster.BeforeStatus = () =>
        {
            // The third report shows the rows as flushed; later rows were written meanwhile.
            var isFlushed = ++reports >= 3;
            if (isFlushed) Insert(NewUser("late"));
            _shell.Cluster.CurrentStatus = Status(rows: 5, oldest: isFlushed ? TimeSpan.Zero : TimeSpan.FromHours(1));
        };
        var result = await _shell.RunAsync("export", "--sqlite", _database);
        Assert.Equal((ExitCode.Done, 3), (result.ExitCode, reports));
        Assert.Contains("late", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Export_waits_for_silos_that_stop_and_for_the_rows_of_silos_that_left()
    {
        var reports = 0;
        _shell.Cluster.BeforeStatus = () => _shell.Cluster.CurrentStatus = ++reports switch
        {
            1 => Status(rows: 0, TimeSpan.Zero) with { StoppingSilos = ["127.0.0.1:2@1"], MembershipVersion = 7 },
            2 => Status(rows: 0, TimeSpan.Zero, recoveredVersion: 7) with { MembershipVersion = 8 },
            _ => Status(rows: 0, TimeSpan.Zero, recoveredVersion: 8) with { MembershipVersion = 8 },
        };
        var result = await _shell.RunAsync("export", "--sqlite", _database);
        Assert.Equal((ExitCode.Done, 3), (result.ExitCode, reports));
    }

    [Fact]
    public async Task Export_names_the_silos_that_stop_or_take_over_rows_for_too_long()
    {
        using var shell = new Shell { Time = new LeapingTime() };
        shell.Cluster.CurrentStatus = Status(rows: 0, TimeSpan.Zero, recoveredVersion: 7) with { StoppingSilos = ["127.0.0.1:2@1"], MembershipVersion = 8 };
        var result = await shell.RunAsync("export", "--sqlite", _database);
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Contains("silo 127.0.0.1:2@1 is stopping", result.Error, StringComparison.Ordinal);
        Assert.Contains("silo 127.0.0.1:1@1 is taking over rows of silos that left", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Export_fails_without_a_file_if_rows_are_not_flushed_in_time(bool isResponding)
    {
        using var shell = new Shell { Time = new LeapingTime() };
        shell.Cluster.CurrentStatus = Status(rows: 5, oldest: TimeSpan.FromHours(1), isResponding, "relation users does not exist");
        var result = await shell.RunAsync("export", shell.Path("users.jsonl"), "--sqlite", _database);
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Contains("some writes acknowledged before the export are not in the database (silo 127.0.0.1:1@1 has rows to write): relation", result.Error, StringComparison.Ordinal);
        Assert.Contains("use --as-is to export the current rows", result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(shell.Directory));
    }

    [Fact]
    public async Task Existing_file_is_replaced_only_on_request_and_only_by_a_complete_export()
    {
        Insert(NewUser("a"));
        var file = _shell.Write("users.jsonl", "precious");
        var refused = await _shell.RunAsync("export", file, "--sqlite", _database);
        Assert.Equal(ExitCode.Usage, refused.ExitCode);
        Assert.Contains("exists; use --overwrite to replace it", refused.OnlyError(), StringComparison.Ordinal);

        var failed = await _shell.RunAsync("export", file, "--overwrite", "--postgres", "Host=127.0.0.1;Port=1;Timeout=2");
        Assert.Equal(ExitCode.Unavailable, failed.ExitCode);
        Assert.Equal("precious", await File.ReadAllTextAsync(file));

        var done = await _shell.RunAsync("export", file, "--overwrite", "--sqlite", _database, "--json");
        Assert.Equal((ExitCode.Done, 1), (done.ExitCode, done.Json.GetProperty("exported").GetInt32()));
        Assert.Equal("{\"id\":\"a\"}\n", await File.ReadAllTextAsync(file));
        Assert.False(File.Exists(file + ".part"));
    }

    [Theory]
    [InlineData("no database to export", "users.csv")]
    [InlineData("there is no SQLite database", "users.csv", "--sqlite", "missing")]
    [InlineData("does not determine its format", "users.txt", "--sqlite", "DATABASE")]
    [InlineData("--format 'xml': use jsonl or csv", "-", "--format", "xml", "--sqlite", "DATABASE")]
    public async Task Export_without_a_database_or_a_known_format_is_a_usage_error(string expected, string file, params string[] options)
    {
        var result = await _shell.RunAsync(
            ["export", file == "-" ? file : _shell.Path(file), .. options.Select(option => option == "DATABASE" ? _database : option)]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
    }

    private static IEnumerable<User> OddUsers()
    {
        yield return NewUser("bare");
        yield return NewUser(
            "full", "Ada", "a@b", new() { ["plan"] = "pro", ["empty"] = "" },
            new() { ["zero"] = 0, ["min"] = long.MinValue, ["max"] = long.MaxValue }, ["x", "y"]);
        yield return NewUser("only empty", attributes: new() { ["empty"] = "" });
        foreach (var text in Odd)
        {
            yield return NewUser($"id {text} end", text, $"{text}@{text}", new() { ["odd"] = text, [text] = "odd" }, new() { [text] = 7 }, [text]);
            yield return NewUser($"tags {text}", tags: ["first", text, "last"]);
            if (!string.IsNullOrWhiteSpace(text)) yield return NewUser(text, attributes: new() { [text + " "] = text, [" " + text] = "" });
        }
    }

    private static User NewUser(
        string id, string? name = null, string? email = null, Dictionary<string, string>? attributes = null,
        Dictionary<string, long>? counters = null, HashSet<string>? tags = null) => new()
        {
            Id = id,
            Version = 1,
            DisplayName = name,
            Email = email,
            Attributes = attributes ?? [],
            Counters = counters ?? [],
            Tags = tags ?? [],
            CreatedAt = DateTimeOffset.UnixEpoch,
            UpdatedAt = DateTimeOffset.UnixEpoch,
        };

    private static void AssertSame(User expected, User actual)
    {
        Assert.Equal((expected.DisplayName, expected.Email), (actual.DisplayName, actual.Email));
        Assert.Equal(expected.Attributes.ToDictionary(), actual.Attributes.ToDictionary());
        Assert.Equal(expected.Counters.ToDictionary(), actual.Counters.ToDictionary());
        Assert.Equal(expected.Tags.ToHashSet(), actual.Tags.ToHashSet());
    }

    private static ClusterStatus Status(long rows, TimeSpan oldest, bool isResponding = true, string? error = null, long? recoveredVersion = null) => new()
    {
        Silos =
        [
            new()
            {
                Silo = "127.0.0.1:1@1",
                IsResponding = isResponding,
                WriteBehind = new() { UnflushedRows = rows, OldestUnflushed = oldest, LastFlushError = error, RecoveredVersion = recoveredVersion },
            },
        ],
    };

    private void Insert(User user, long version = 1)
    {
        var state = JsonSerializer.Serialize(
            new
            {
                user.DisplayName,
                user.Email,
                Attributes = user.Attributes.Count == 0 ? null : user.Attributes,
                Counters = user.Counters.Count == 0 ? null : user.Counters,
                Tags = user.Tags.Count == 0 ? null : user.Tags,
                CreatedAt = 1,
                UpdatedAt = 2,
                Requests = new[] { new { Id = "r", Version = 1, At = 1 } },
            },
            Stored);
        Execute("INSERT INTO users (id, version, state) VALUES ($id, $version, $state)", ("$id", user.Id), ("$version", version), ("$state", state));
    }

    private void Execute(string sql, params (string Name, object Value)[] parameters)
    {
        using var connection = new SqliteConnection($"Data Source={_database};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are written in this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value);
        command.ExecuteNonQuery();
    }

    /// <summary>A clock that advances 15 s per read and does not delay.</summary>
    private sealed class LeapingTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Add(ref _now, TimeSpan.FromSeconds(15).Ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, period == Timeout.InfiniteTimeSpan ? TimeSpan.Zero : dueTime, period);
    }
}
