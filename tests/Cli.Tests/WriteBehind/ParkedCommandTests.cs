using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.WriteBehind;

public sealed class ParkedCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Each_parked_row_has_a_line_with_its_reason_and_the_total_stands_below()
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
    public async Task Where_nothing_is_parked_it_says_so()
    {
        var result = await _shell.RunAsync("writebehind", "parked");
        Assert.Equal((ExitCode.Done, "0 rows parked", ""), (result.ExitCode, result.Output.Trim(), result.Error));
    }

    [Fact]
    public async Task Json_has_all_of_it_over_several_pages_under_stable_names()
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
    public async Task A_replay_of_all_tells_what_became_of_the_rows()
    {
        for (var i = 0; i < 250; i++) _shell.Cluster.Parking.Park($"u{i:000}");
        Assert.Equal(
            (ExitCode.Done, "250 committed, 0 obsolete, 0 refused again, 0 not parked"),
            await ReplayAsync("--all"));
        Assert.Empty(_shell.Cluster.Parking.Rows);
    }

    [Fact]
    public async Task Rows_refused_again_are_named_and_the_exit_code_is_1()
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
    public async Task A_wrong_command_line_is_exit_code_2(string expected, params string[] args)
    {
        var result = await _shell.RunAsync(["writebehind", .. args]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Fact]
    public async Task A_database_that_is_away_is_exit_code_4()
    {
        _shell.Cluster.Parking.Before = () => throw new StorageUnavailableException("the database", "It is away.");
        foreach (var args in (string[][])[["parked"], ["replay", "--all"]])
            Assert.Equal(ExitCode.Unavailable, (await _shell.RunAsync(["writebehind", .. args])).ExitCode);
    }

    private async Task<(int ExitCode, string Output)> ReplayAsync(params string[] args)
    {
        var result = await _shell.RunAsync(["writebehind", "replay", .. args]);
        return (result.ExitCode, result.Output.Trim());
    }
}
