using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Import;

public sealed class ImportCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Import_writes_every_user_of_a_file()
    {
        var file = _shell.Write("users.jsonl", Users(1, 1000));
        var result = await _shell.RunAsync("import", file, "--concurrency", "16");
        Assert.Equal((ExitCode.Done, "1,000 imported, 0 skipped"), (result.ExitCode, result.Output.Trim()));
        Assert.Equal(1000, _shell.Cluster.Users.Count);
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(1, user.Current!.Counters["n"]));
    }

    [Fact]
    public async Task Invalid_records_are_reported_and_counted_and_the_others_imported()
    {
        var file = _shell.Write("users.csv", "id,name,email\na,A,a@b\n,B,\nc,\"C\n2\",no-at\nd,D,d@e\nx\n" + new string('i', 513) + ",,\n");
        var result = await _shell.RunAsync("import", file);
        Assert.Equal((ExitCode.Failed, "2 imported, 4 skipped"), (result.ExitCode, result.Output.Trim()));
        foreach (var line in (string[])["line 3: has no id", "line 4: The e-mail address", "line 7: has 1 field", "line 8: The user id"])
            Assert.Contains(line, result.Error, StringComparison.Ordinal);

        var again = await _shell.RunAsync("import", file, "--restart", "--json");
        Assert.Equal((2, 4), (again.Json.GetProperty("imported").GetInt32(), again.Json.GetProperty("skipped").GetInt32()));
        Assert.Equal([3, 4, 7, 8], again.Json.GetProperty("firstSkipped").EnumerateArray().Select(l => l.GetProperty("line").GetInt32()));
    }

    [Fact]
    public async Task Records_of_one_user_are_written_in_the_order_of_the_file()
    {
        var lines = new StringBuilder();
        for (var i = 1; i <= 2000; i++)
            lines.AppendLine($$"""{"id":"u{{i % 7}}","name":"{{i}}"}""");
        _shell.Cluster.BeforeWrite = async (_, _, _) => await Task.Delay(Random.Shared.Next(2) * Random.Shared.Next(2));
        var result = await _shell.RunAsync("import", _shell.Write("users.jsonl", lines.ToString()));
        Assert.Equal(ExitCode.Done, result.ExitCode);
        for (var u = 0; u < 7; u++)
            Assert.Equal(Enumerable.Range(1994, 7).Single(i => i % 7 == u), int.Parse(_shell.Cluster.Find($"u{u}")!.DisplayName!, null));
    }

    [Fact]
    public async Task Lost_response_is_retried_and_counts_once()
    {
        var lost = new ConcurrentDictionary<string, bool>();
        _shell.Cluster.AfterWrite = (id, _, _) => lost.TryAdd(id, true) ? throw new TimeoutException() : Task.CompletedTask;
        var result = await _shell.RunAsync("import", _shell.Write("users.jsonl", Users(1, 50)));
        Assert.Equal((ExitCode.Done, "50 imported, 0 skipped"), (result.ExitCode, result.Output.Trim()));
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(1, user.Current!.Counters["n"]));
    }

    [Fact]
    public async Task Import_continues_while_an_overloaded_cluster_rejects_users()
    {
        const int Refusals = 10;
        var attempts = new ConcurrentDictionary<string, int>();
        _shell.Cluster.BeforeWrite = (id, _, _) => attempts.AddOrUpdate(id, 1, (_, n) => n + 1) <= Refusals
            ? throw new OverloadedException("Full.", TimeSpan.FromMilliseconds(10))
            : Task.CompletedTask;
        var result = await _shell.RunAsync("import", _shell.Write("users.jsonl", Users(1, 50)), "--concurrency", "50");
        Assert.Equal((ExitCode.Done, "50 imported, 0 skipped"), (result.ExitCode, result.Output.Trim()));
    }

    [Fact]
    public async Task Stopped_import_resumes_where_it_was_and_counts_nothing_twice()
    {
        var file = _shell.Write("users.jsonl", "broken\n" + Users(2, 2000));
        var isDown = true;
        var attempts = new ConcurrentDictionary<string, int>();
        _shell.Cluster.BeforeWrite = (id, _, _) =>
        {
            attempts.AddOrUpdate(id, 1, (_, n) => n + 1);
            return isDown && id == "u700" ? throw new StorageUnavailableException("Redis", "Redis is down.") : Task.CompletedTask;
        };
        var stopped = await _shell.RunAsync("import", file, "--concurrency", "8");
        Assert.Equal((ExitCode.Unavailable, ""), (stopped.ExitCode, stopped.Output));
        Assert.Contains("error: Redis is down; stopped after line ", stopped.Error, StringComparison.Ordinal);
        Assert.Equal(8, attempts["u700"]);

        var saved = Progress(file);
        var line = saved.GetProperty("line").GetInt64();
        Assert.InRange(line, 1, 699);
        Assert.Equal((line - 1, 1, false),
            (saved.GetProperty("imported").GetInt64(), saved.GetProperty("skipped").GetInt32(), saved.GetProperty("complete").GetBoolean()));

        isDown = false;
        attempts.Clear();
        var resumed = await _shell.RunAsync("import", file, "--concurrency", "8");
        Assert.Equal((ExitCode.Failed, "1,999 imported, 1 skipped"), (resumed.ExitCode, resumed.Output.Trim()));
        Assert.Contains($"resuming after line {line}", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(2000 - line, attempts.Count);
        Assert.Equal(1999, _shell.Cluster.Users.Count);
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(1, user.Current!.Counters["n"]));
    }

    [Fact]
    public async Task Interrupted_import_leaves_a_correct_progress_file()
    {
        var file = _shell.Write("users.jsonl", Users(1, 5000));
        using var interrupt = new CancellationTokenSource();
        var written = 0;
        _shell.Cluster.AfterWrite = (_, _, _) =>
        {
            if (Interlocked.Increment(ref written) == 500)
                interrupt.Cancel();
            return Task.CompletedTask;
        };
        var result = await _shell.RunAsync(interrupt.Token, "import", file);
        Assert.Equal(ExitCode.Interrupted, result.ExitCode);
        Assert.Contains("error: interrupted; stopped after line ", result.Error, StringComparison.Ordinal);
        var line = Progress(file).GetProperty("line").GetInt64();
        Assert.InRange(line, 1, 4999);
        Assert.All(Enumerable.Range(1, (int)line), i => Assert.NotNull(_shell.Cluster.Find($"u{i}")));

        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("import", file)).ExitCode);
        Assert.Equal(5000, _shell.Cluster.Users.Count);
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(1, user.Current!.Counters["n"]));
    }

    [Fact]
    public async Task Finished_file_is_not_imported_twice_by_mistake()
    {
        var file = _shell.Write("users.jsonl", Users(1, 3));
        await _shell.RunAsync("import", file);
        var again = await _shell.RunAsync("import", file);
        Assert.Equal((ExitCode.Done, "3 imported, 0 skipped"), (again.ExitCode, again.Output.Trim()));
        Assert.Contains("use --restart to import it again", again.Error, StringComparison.Ordinal);
        Assert.Equal((1, 1), (_shell.Cluster.Connections, _shell.Cluster.Find("u1")!.Version));
    }

    [Fact]
    public async Task Progress_of_different_content_is_not_used()
    {
        var file = _shell.Write("users.jsonl", Users(1, 3));
        await _shell.RunAsync("import", file);
        _shell.Write("users.jsonl", Users(1, 4));
        var changed = await _shell.RunAsync("import", file);
        Assert.Equal(ExitCode.Usage, changed.ExitCode);
        Assert.Contains("was changed after its line 3", changed.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("import", file, "--restart")).ExitCode);

        _shell.Write("users.jsonl.progress", "{}");
        Assert.Contains("is not the progress of an import", (await _shell.RunAsync("import", file)).OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Permanent_error_stops_the_import_at_once()
    {
        var file = _shell.Write("users.jsonl", Users(1, 3));
        _shell.Cluster.BeforeWrite = (_, _, _) => throw new InvalidOperationException("a defect");
        var result = await _shell.RunAsync("import", file);
        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.Contains("a defect; stopped after line 0", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("there is no file", "missing.csv")]
    [InlineData("does not determine its format; set --format to jsonl or csv", "users.txt")]
    [InlineData("--format 'xml': use jsonl or csv", "users.txt", "--format", "xml")]
    [InlineData("--durability 'memory': use journal, database", "users.txt", "--durability", "memory")]
    [InlineData("the header row (line 1) has no column id", "users.txt", "--format", "csv")]
    public async Task Unusable_file_is_a_usage_error(string expected, string file, params string[] options)
    {
        _shell.Write("users.txt", "name\nx\n");
        var result = await _shell.RunAsync(["import", _shell.Path(file), .. options]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
    }

    private static string Users(int from, int to)
    {
        var lines = new StringBuilder();
        for (var i = from; i <= to; i++)
            lines.AppendLine($$"""{"id":"u{{i}}","name":"User {{i}}","counters":{"n":1} }""");
        return lines.ToString();
    }

    private static JsonElement Progress(string file) => JsonDocument.Parse(File.ReadAllText(file + ".progress")).RootElement;
}
