using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Limits;

public sealed class LimitCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Acquire_uses_permits_and_exits_with_3_when_denied()
    {
        await _shell.RunAsync("limit", "set", "alice", "--limit", "3/1h");
        var first = await _shell.RunAsync("limit", "acquire", "alice", "--permits", "2");
        Assert.Equal((ExitCode.Done, ""), (first.ExitCode, first.Error));
        foreach (var shown in (string[])["alice: allowed", "permits       2", "limit         3/1h", "remaining     1 of 3/1h", "reset after   ", "source        redis"])
            Assert.Contains(shown, first.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("retry after", first.Output, StringComparison.Ordinal);

        var second = await _shell.RunAsync("limit", "acquire", "alice", "--permits", "2");
        Assert.Equal((ExitCode.Denied, ""), (second.ExitCode, second.Error));
        foreach (var shown in (string[])["alice: denied", "remaining     1 of 3/1h", "retry after   59m 59s"])
            Assert.Contains(shown, second.Output, StringComparison.Ordinal);
        Assert.Equal(2, _shell.Cluster.Limiters["alice"].Charged);
    }

    [Fact]
    public async Task Peek_reports_the_same_decision_and_charges_nothing()
    {
        await _shell.RunAsync("limit", "set", "alice", "--policy", "p", "--limit", "1/1h");
        for (var i = 0; i < 2; i++)
        {
            var free = await _shell.RunAsync("limit", "peek", "alice", "--policy", "p");
            Assert.Equal(ExitCode.Done, free.ExitCode);
            Assert.Contains("alice: would be allowed", free.Output, StringComparison.Ordinal);
            Assert.Contains("remaining     0 of 1/1h, after this call", free.Output, StringComparison.Ordinal);
        }
        await _shell.RunAsync("limit", "acquire", "alice", "--policy", "p");
        var full = await _shell.RunAsync("limit", "peek", "alice", "--policy", "p", "--json");
        Assert.Equal((ExitCode.Denied, false), (full.ExitCode, full.Json.GetProperty("isAllowed").GetBoolean()));
        Assert.Equal(("alice", "p", 1, 0), (full.Json.GetProperty("client").GetString(), full.Json.GetProperty("policy").GetString(),
            full.Json.GetProperty("limit").GetInt32(), full.Json.GetProperty("remaining").GetInt32()));
        Assert.Equal(3600, full.Json.GetProperty("window").GetProperty("seconds").GetDouble());
        Assert.InRange(full.Json.GetProperty("retryAfterSeconds").GetDouble(), 3000, 3600);
        Assert.Equal("redis", full.Json.GetProperty("source").GetString());
    }

    [Fact]
    public async Task Count_makes_sequential_calls_and_prints_a_summary()
    {
        await _shell.RunAsync("limit", "set", "alice", "--limit", "6/1h");
        var text = await _shell.RunAsync("limit", "acquire", "alice", "--count", "5", "--permits", "2");
        Assert.Equal(ExitCode.Denied, text.ExitCode);
        var lines = text.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(6, lines.Length);
        Assert.Contains("4 of 6/1h left", lines[0], StringComparison.Ordinal);
        Assert.Contains("0 of 6/1h left", lines[2], StringComparison.Ordinal);
        Assert.Contains("6/1h is used up, retry after 59m 59s", lines[3], StringComparison.Ordinal);
        Assert.Contains("alice: 3 of 5 calls allowed (6 permits), 2 denied, in ", lines[5], StringComparison.Ordinal);

        var json = (await _shell.RunAsync("limit", "acquire", "bob", "--count", "3", "--json")).Json;
        Assert.Equal((3, 3, 0), (json.GetProperty("calls").GetInt32(), json.GetProperty("allowed").GetInt32(), json.GetProperty("denied").GetInt32()));
        Assert.Equal([99, 98, 97], json.GetProperty("decisions").EnumerateArray().Select(each => each.GetProperty("remaining").GetInt32()));
    }

    [Fact]
    public async Task Options_reach_the_limiter()
    {
        await _shell.RunAsync("limit", "acquire", "alice", "--permits", "7", "--wait", "1.5s", "--request-id", "r");
        Assert.Equal([new() { Permits = 7, MaxWait = TimeSpan.FromSeconds(1.5), RequestId = "r" }], _shell.Cluster.Limiters["alice"].Requests);
    }

    [Fact]
    public async Task Request_with_an_id_is_charged_once_and_can_be_refunded()
    {
        foreach (var _ in (int[])[1, 2])
            Assert.Equal(ExitCode.Done, (await _shell.RunAsync("limit", "acquire", "alice", "--permits", "5", "--request-id", "r")).ExitCode);
        Assert.Equal(5, _shell.Cluster.Limiters["alice"].Charged);

        var refund = await _shell.RunAsync("limit", "refund", "alice", "--request-id", "r");
        Assert.Equal((ExitCode.Done, "alice: 5 permits refunded"), (refund.ExitCode, refund.Output.Trim()));
        var again = await _shell.RunAsync("limit", "refund", "alice", "--request-id", "r", "--json");
        Assert.Equal((ExitCode.Done, 0), (again.ExitCode, again.Json.GetProperty("freed").GetInt32()));
        Assert.Contains("nothing to refund", (await _shell.RunAsync("limit", "refund", "alice", "--request-id", "r")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reset_frees_all_permits()
    {
        await _shell.RunAsync("limit", "acquire", "alice", "--permits", "100");
        Assert.Equal(ExitCode.Denied, (await _shell.RunAsync("limit", "acquire", "alice", "--permits", "100")).ExitCode);
        var reset = await _shell.RunAsync("limit", "reset", "alice");
        Assert.Equal((ExitCode.Done, "alice: policy default is reset, all its permits are free"), (reset.ExitCode, reset.Output.Trim()));
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("limit", "acquire", "alice", "--permits", "100")).ExitCode);
    }

    [Fact]
    public async Task Own_policy_can_be_set_shown_and_removed()
    {
        var set = await _shell.RunAsync(
            "limit", "set", "alice", "--policy", "default", "--limit", "10/1s", "--limit", "1000/1h", "--on-redis-down", "Deny", "--shadow");
        Assert.Equal((ExitCode.Done, ""), (set.ExitCode, set.Error));
        foreach (var shown in (string[])["limit         10/1s", "limit         1000/1h", "Redis down    deny", "shadow mode"])
            Assert.Contains(shown, set.Output, StringComparison.Ordinal);

        var show = (await _shell.RunAsync("limit", "show", "alice", "--json")).Json;
        var policy = show.GetProperty("policy");
        Assert.Equal([(10, 1.0), (1000, 3600.0)], policy.GetProperty("windows").EnumerateArray()
            .Select(window => (window.GetProperty("limit").GetInt32(), window.GetProperty("seconds").GetDouble())));
        Assert.Equal(("deny", true), (policy.GetProperty("onRedisDown").GetString(), policy.GetProperty("isShadow").GetBoolean()));
        Assert.Equal(10, show.GetProperty("now").GetProperty("remaining").GetInt32());
        Assert.Contains("remaining     10 of 10/1s", (await _shell.RunAsync("limit", "show", "alice")).Output, StringComparison.Ordinal);

        Assert.True((await _shell.RunAsync("limit", "set", "alice", "--remove", "--json")).Json.GetProperty("removed").GetBoolean());
        var again = await _shell.RunAsync("limit", "set", "alice", "--remove");
        Assert.Equal((ExitCode.Done, "alice: had no policy default of its own"), (again.ExitCode, again.Output.Trim()));
        Assert.Contains("100/1s", (await _shell.RunAsync("limit", "show", "alice")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shadow_mode_and_decisions_without_Redis_are_reported()
    {
        await _shell.RunAsync("limit", "set", "alice", "--limit", "1/1h", "--shadow");
        await _shell.RunAsync("limit", "acquire", "alice");
        _shell.Cluster.IsRedisAway = true;
        var denied = await _shell.RunAsync("limit", "acquire", "alice");
        Assert.Equal(ExitCode.Done, denied.ExitCode);
        Assert.Contains("allowed, only because the policy is in shadow mode", denied.Output, StringComparison.Ordinal);
        Assert.Contains("source        local: Redis is away", denied.Output, StringComparison.Ordinal);
        var many = (await _shell.RunAsync("limit", "acquire", "alice", "--count", "2")).Output;
        Assert.Contains("2 of those allowed would have been denied", many, StringComparison.Ordinal);
        Assert.Contains("2 were decided without Redis", many, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("limit needs a command; commands are acquire, peek, reset, refund, set, show", "limit")]
    [InlineData("Required argument", "limit", "acquire")]
    [InlineData("--permits '0': use a whole number from 1 to 1,000,000", "limit", "acquire", "a", "--permits", "0")]
    [InlineData("--permits '-1'", "limit", "peek", "a", "--permits", "-1")]
    [InlineData("--count '10001': use a whole number from 1 to 10,000", "limit", "acquire", "a", "--count", "10001")]
    [InlineData("--wait '21s': use 0 to 20s", "limit", "acquire", "a", "--wait", "21s")]
    [InlineData("--wait '5': use 0 to 20s, a number and one of ms, s, m, h, d", "limit", "acquire", "a", "--wait", "5")]
    [InlineData("--wait '-1s'", "limit", "acquire", "a", "--wait", "-1s")]
    [InlineData("use 1 to 64 letters", "limit", "acquire", "a", "--policy", "no such")]
    [InlineData("The request id", "limit", "acquire", "a", "--request-id", "")]
    [InlineData("'--request-id' is required", "limit", "refund", "a")]
    [InlineData("1 to 512 bytes", "limit", "acquire", "")]
    [InlineData("1 to 512 bytes", "limit", "show", "nul\0inside")]
    [InlineData("nothing to set; use at least one --limit", "limit", "set", "a", "--shadow")]
    [InlineData("--limit '10/1w': '1w' is not a valid window duration", "limit", "set", "a", "--limit", "10/1w")]
    [InlineData("has two windows with duration 00:00:01", "limit", "set", "a", "--limit", "10/1s", "--limit", "20/1000ms")]
    [InlineData("--on-redis-down 'open': use one of local, allow, deny", "limit", "set", "a", "--limit", "1/1s", "--on-redis-down", "open")]
    [InlineData("--remove can be combined only with --policy", "limit", "set", "a", "--limit", "1/1s", "--remove")]
    [InlineData("--remove can be combined only with --policy", "limit", "set", "a", "--on-redis-down", "local", "--remove")]
    [InlineData("--permits 'many': use a whole number from 1 to 1,000,000, or 'random'", "load", "limits", "--permits", "many")]
    [InlineData("--on-denied 'cry': use one of wait, spin", "load", "limits", "--on-denied", "cry")]
    [InlineData("--clients '0'", "load", "limits", "--users", "0")]
    public async Task Invalid_command_line_prints_one_line_and_exits_with_2(string expected, params string[] args)
    {
        var result = await _shell.RunAsync(args);
        Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Fact]
    public async Task Cluster_errors_have_exit_codes()
    {
        var unknown = await _shell.RunAsync("limit", "acquire", "alice", "--policy", "unknown");
        Assert.Equal(ExitCode.Usage, unknown.ExitCode);
        Assert.Contains("There is no policy 'unknown'", unknown.OnlyError(), StringComparison.Ordinal);

        foreach (var error in (Exception[])[new StorageUnavailableException("Redis", "Redis is down."), new OverloadedException("full", TimeSpan.FromSeconds(1)), new TimeoutException()])
        {
            _shell.Cluster.BeforeLimit = _ => throw error;
            foreach (var args in (string[][])[["acquire", "a"], ["peek", "a"], ["reset", "a"], ["refund", "a", "--request-id", "r"], ["set", "a", "--limit", "1/1s"], ["show", "a"]])
                Assert.Equal(ExitCode.Unavailable, (await _shell.RunAsync(["limit", .. args])).ExitCode);
        }
    }

    [Fact]
    public async Task Client_id_is_used_unchanged_and_cannot_control_the_terminal()
    {
        var result = await _shell.RunAsync("limit", "acquire", "@[red]\u001b[2J{a}*");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains("@[red]\\u001b[2J{a}*: allowed", result.Output, StringComparison.Ordinal);
        Assert.True(_shell.Cluster.Limiters.ContainsKey("@[red]\u001b[2J{a}*"));
    }
}
