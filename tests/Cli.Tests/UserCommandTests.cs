using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests;

public sealed class UserCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Set_changes_the_named_fields_and_get_shows_them()
    {
        WriteOptions? options = null;
        _shell.Cluster.BeforeWrite = (_, _, given) =>
        {
            options = given;
            return Task.CompletedTask;
        };
        var set = await _shell.RunAsync(
            "user", "set", "alice", "--name", "Alice", "--email", "a@example.org", "--attr", "city=Oslo", "--attr", "equation=a=b",
            "--incr", "logins=2", "--incr", "debt=-5", "--tag", "vip", "--tag", "new", "--durability", "Database",
            "--expect-version", "0", "--request-id", "r1", "--json");
        Assert.Equal((ExitCode.Done, ""), (set.ExitCode, set.Error));
        Assert.Equal(("alice", 1, "database"),
            (set.Json.GetProperty("id").GetString(), set.Json.GetProperty("version").GetInt64(), set.Json.GetProperty("durability").GetString()));
        Assert.Equal(new() { Durability = Durability.Database, ExpectedVersion = 0, RequestId = "r1" }, options);

        await _shell.RunAsync("user", "set", "alice", "--unset", "city", "--untag", "new");
        var user = (await _shell.RunAsync("user", "get", "alice", "--json")).Json;
        Assert.Equal("Alice", user.GetProperty("displayName").GetString());
        Assert.Equal("""{"equation":"a=b"}""", Compact(user.GetProperty("attributes")));
        Assert.Equal("""{"logins":2,"debt":-5}""", Compact(user.GetProperty("counters")));
        Assert.Equal("""["vip"]""", Compact(user.GetProperty("tags")));
        Assert.Equal(2, user.GetProperty("version").GetInt64());

        var text = (await _shell.RunAsync("user", "get", "alice")).Output;
        Assert.Contains("logins=2", text, StringComparison.Ordinal);
        Assert.Contains("vip", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_user_is_reported_and_null_in_json()
    {
        var text = await _shell.RunAsync("user", "get", "nobody");
        Assert.Equal((ExitCode.Failed, ""), (text.ExitCode, text.Output));
        Assert.Contains("no such user: 'nobody'", text.OnlyError(), StringComparison.Ordinal);

        var json = await _shell.RunAsync("user", "get", "nobody", "--json");
        Assert.Equal((ExitCode.Failed, "null"), (json.ExitCode, json.Output.Trim()));
    }

    [Fact]
    public async Task Delete_and_flush_report_the_reached_durability()
    {
        await _shell.RunAsync("user", "set", "alice", "--name", "A");
        var delete = await _shell.RunAsync("user", "delete", "alice");
        Assert.Equal((ExitCode.Done, "alice: version 2, durability journal"), (delete.ExitCode, delete.Output.Trim()));
        var flush = await _shell.RunAsync("user", "flush", "alice");
        Assert.Equal((ExitCode.Done, 1), (flush.ExitCode, _shell.Cluster.Users["alice"].Flushes));
    }

    [Theory]
    [InlineData("--durability 'safe': use memory, journal, database", "--durability", "safe")]
    [InlineData("--durability '1': use memory, journal, database", "--durability", "1")]
    [InlineData("--expect-version '-1'", "--expect-version", "-1")]
    [InlineData("--expect-version 'x'", "--expect-version", "x")]
    [InlineData("--incr 'a=1.5': '1.5' is not a 64-bit integer", "--incr", "a=1.5")]
    [InlineData("--incr 'a=9223372036854775808'", "--incr", "a=9223372036854775808")]
    [InlineData("--incr 'a': expected k=n", "--incr", "a")]
    [InlineData("--attr '=v': expected k=v", "--attr", "=v")]
    [InlineData("is in both --attr and --unset", "--attr", "a=1", "--unset", "a")]
    [InlineData("is in both --tag and --untag", "--tag", "a", "--untag", "a")]
    [InlineData("--incr names 'a' twice", "--incr", "a=1", "--incr", "a=2")]
    [InlineData("nothing to set")]
    [InlineData("unknown option or extra argument '--colour'", "--colour", "red")]
    public async Task Invalid_argument_is_a_usage_error_that_names_it(string expected, params string[] options)
    {
        var result = await _shell.RunAsync(["user", "set", "alice", .. options]);
        Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nul\0inside")]
    public async Task Invalid_id_is_reported_before_connecting(string id)
    {
        foreach (var verb in (string[])["get", "delete", "flush"])
        {
            var result = await _shell.RunAsync("user", verb, id);
            Assert.Equal(ExitCode.Usage, result.ExitCode);
            Assert.Contains("1 to 512 bytes", result.OnlyError(), StringComparison.Ordinal);
        }
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Theory]
    [InlineData("@alice")]
    [InlineData("{a}*?[x]")]
    [InlineData("😀 b")]
    [InlineData("-dash", "--")]
    public async Task Id_is_used_unchanged(string id, params string[] before)
    {
        await _shell.RunAsync(["user", "set", "--name", "x", .. before, id]);
        Assert.Equal("x", _shell.Cluster.Find(id)?.DisplayName);
    }

    [Fact]
    public async Task Cluster_errors_have_exit_codes_and_print_one_line()
    {
        (Exception Error, int ExitCode)[] cases =
        [
            (new InvalidUserException("bad\nmail"), ExitCode.Usage),
            (new VersionConflictException("alice", 3, 4), ExitCode.Failed),
            (new OverloadedException("Too much is unflushed.", TimeSpan.FromSeconds(2)), ExitCode.Unavailable),
            (new StorageUnavailableException("Redis", "Redis is down."), ExitCode.Unavailable),
            (new TimeoutException("Response did not arrive on time in 00:00:30 for message: very long"), ExitCode.Unavailable),
            (new ClusterUnreachableException("Redis at x cannot be reached."), ExitCode.Unavailable),
            (new ClusterNotFoundException("No cluster found."), ExitCode.Unavailable),
            (new InvalidOperationException("a defect"), ExitCode.Failed),
        ];
        foreach (var (error, exitCode) in cases)
        {
            _shell.Cluster.BeforeWrite = (_, _, _) => throw error;
            var result = await _shell.RunAsync("user", "set", "alice", "--name", "x");
            Assert.Equal((error.GetType(), exitCode), (error.GetType(), result.ExitCode));
            Assert.DoesNotContain("   at ", result.OnlyError(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Text_of_a_user_cannot_control_the_terminal()
    {
        await _shell.RunAsync("user", "set", "alice", "--name", "\u001b[2Jgone\u202e");
        var shown = (await _shell.RunAsync("user", "get", "alice")).Output;
        Assert.DoesNotContain('\u001b', shown);
        Assert.DoesNotContain('\u202e', shown);
        Assert.Contains(@"\u001b[2Jgone\u202e", shown, StringComparison.Ordinal);
    }

    private static string Compact(System.Text.Json.JsonElement value) => System.Text.Json.JsonSerializer.Serialize(value);
}
