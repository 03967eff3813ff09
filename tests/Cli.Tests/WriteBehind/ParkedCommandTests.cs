using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.WriteBehind;

public sealed class ParkedCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Each_parked_row_has_a_line_with_its_reason_above_the_total()
    {
        _shell.Cluster.Parking.Park("ada");
        _shell.Cluster.Parking.Park("b\u202e\n", "line\nbreak");

        var result = await _shell.RunAsync("writebehind", "parked");

        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        var line = Assert.Single(result.Output.Split('\n'), line => line.Contains("ada", StringComparison.Ordinal));
        foreach (var shown in (string[])["1,234", "17", "2025-01-02T03:04:05.000Z", "violates check constraint \"adult\" (23514)"])
            Assert.Contains(shown, line, StringComparison.Ordinal);
        Assert.Contains("line\\u000abreak", result.Output, StringComparison.Ordinal);
        Assert.Contains("2 rows parked", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("poison", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u202e', result.Output);

        Assert.Contains("ada: {\"poison\":true}", (await _shell.RunAsync("writebehind", "parked", "--state")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Empty_list_says_that_nothing_is_parked()
    {
        var result = await _shell.RunAsync("writebehind", "parked");
        Assert.Equal((ExitCode.Done, "0 rows parked", ""), (result.ExitCode, result.Output.Trim(), result.Error));
    }

    [Fact]
    public async Task Json_lists_all_pages_under_stable_names()
    {
        for (var i = 0; i < 250; i++) _shell.Cluster.Parking.Park($"u{i:000}");

        var json = (await _shell.RunAsync("writebehind", "parked", "--json", "--limit", "1000")).Json;
        Assert.Equal((250, 250), (json.GetProperty("total").GetInt64(), json.GetProperty("rows").GetArrayLength()));
        Assert.Equal(
            (string[])["key", "version", "reason", "parkedAt", "bytes", "state"],
            json.GetProperty("rows")[249].EnumerateObject().Select(property => property.Name));

        var some = await _shell.RunAsync("writebehind", "parked", "--limit", "120");
        Assert.Contains("250 rows parked, 120 shown", some.Output, StringComparison.Ordinal);
        Assert.Contains("u119", some.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("u120", some.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replay_of_all_reports_the_result_of_each_row()
    {
        for (var i = 0; i < 250; i++) _shell.Cluster.Parking.Park($"u{i:000}");
        Assert.Equal(
            (ExitCode.Done, "250 committed, 0 obsolete, 0 refused again, 0 not parked"),
            await ReplayAsync("--all"));
        Assert.Empty(_shell.Cluster.Parking.Rows);
    }

    [Fact]
    public async Task Rows_rejected_again_are_listed_with_exit_code_1()
    {
        foreach (var id in (string[])["a", "b", "c"]) _shell.Cluster.Parking.Park(id);
        _shell.Cluster.Parking.StillBad.Add("b");

        var result = await _shell.RunAsync("writebehind", "replay", "a", "b", "nobody");

        Assert.Equal((ExitCode.Failed, "error: b: refused again: still bad"), (result.ExitCode, result.OnlyError()));
        Assert.Equal("1 committed, 0 obsolete, 1 refused again, 1 not parked", result.Output.Trim());
        Assert.Equal(["b", "c"], _shell.Cluster.Parking.Rows.Keys);

        var json = (await _shell.RunAsync("writebehind", "replay", "--all", "--json")).Json;
        Assert.Equal((1, 1), (json.GetProperty("committed").GetInt64(), json.GetProperty("refused").GetInt64()));
        Assert.Equal("still bad", json.GetProperty("refusals")[0].GetProperty("reason").GetString());
    }

    [Theory]
    [InlineData("no rows given", "replay")]
    [InlineData("contradict", "replay", "a", "--all")]
    [InlineData("--limit '0'", "parked", "--limit", "0")]
    [InlineData("commands are status, parked, replay", "bogus")]
    public async Task Invalid_command_line_exits_with_2(string expected, params string[] args)
    {
        var result = await _shell.RunAsync(["writebehind", .. args]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Fact]
    public async Task Unavailable_database_exits_with_4()
    {
        _shell.Cluster.Parking.Before = () => throw new StorageUnavailableException("the database", "It is down.");
        foreach (var args in (string[][])[["parked"], ["replay", "--all"]])
            Assert.Equal(ExitCode.Unavailable, (await _shell.RunAsync(["writebehind", .. args])).ExitCode);
    }

    private async Task<(int ExitCode, string Output)> ReplayAsync(params string[] args)
    {
        var result = await _shell.RunAsync(["writebehind", "replay", .. args]);
        return (result.ExitCode, result.Output.Trim());
    }
}
