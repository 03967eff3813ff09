using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

public sealed class EmbeddedSiloTests : IDisposable
{
    private static readonly Dictionary<string, string> NothingSet = new()
    {
        ["ConnectionStrings__redis"] = "",
        ["ConnectionStrings__postgres"] = "",
    };

    private readonly TemporaryDirectory _directory = new("embedded");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task User_survives_a_stop_and_a_start()
    {
        using (var silo = await SiloProcess.StartAsync(_directory.Path, NothingSet))
        {
            var set = await CliAsync("user", "set", "ada", "--name", "Ada", "--attr", "plan=pro", "--incr", "logins=1");
            Assert.True(set.ExitCode == 0, set.ToString());
            await AssertAdaAsync();
            var (_, exitCode) = await silo.StopAsync();
            Assert.True(exitCode == 0, silo.Output);
        }

        using (await SiloProcess.StartAsync(_directory.Path, NothingSet)) await AssertAdaAsync();
    }

    [Fact]
    public async Task User_survives_a_kill_and_a_start()
    {
        using (var silo = await SiloProcess.StartAsync(_directory.Path, NothingSet))
        {
            var set = await CliAsync("user", "set", "ada", "--name", "Ada", "--attr", "plan=pro", "--incr", "logins=1");
            Assert.True(set.ExitCode == 0, set.ToString());
            await silo.KillAsync();
        }

        using (await SiloProcess.StartAsync(_directory.Path, NothingSet)) await AssertAdaAsync();
    }

    [Fact]
    public async Task Second_silo_joins_the_first()
    {
        using var first = await SiloProcess.StartAsync(_directory.Path, NothingSet);
        using var second = await SiloProcess.StartAsync(_directory.Path, NothingSet);
        var status = await CliAsync("cluster", "status", "--json");
        Assert.True(status.ExitCode == 0, status.ToString());
        Assert.Equal(2, JsonDocument.Parse(status.Output).RootElement.GetProperty("silos").GetArrayLength());
        Assert.Equal(0, (await second.StopAsync()).ExitCode);
        Assert.True(await first.IsReadyAsync());
    }

    [Fact]
    public async Task Second_silo_stops_in_time_after_the_one_with_the_embedded_Redis()
    {
        using var first = await SiloProcess.StartAsync(_directory.Path, NothingSet);
        using var second = await SiloProcess.StartAsync(_directory.Path, NothingSet);
        Assert.Equal(0, (await first.StopAsync()).ExitCode);

        var before = File.ReadLines(second.Log).Count();
        var (elapsed, exitCode) = await second.StopAsync();
        var lines = File.ReadLines(second.Log).Skip(before).ToList();
        Assert.True(exitCode == 0 && elapsed < TimeSpan.FromSeconds(35) && lines.Count < 30, $"{elapsed}, exit code {exitCode}:\n{string.Join('\n', lines)}");
    }

    [Fact]
    public async Task Silo_with_damaged_data_names_the_file_and_can_start_without_it()
    {
        using (var silo = await SiloProcess.StartAsync(_directory.Path, NothingSet))
        {
            var set = await CliAsync("user", "set", "ada", "--name", "Ada");
            Assert.True(set.ExitCode == 0, set.ToString());
            await silo.KillAsync();
        }

        var log = _directory.File(".actors/redis/AOF/aof.log.0");
        File.Delete(log);
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, NothingSet);
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains($"error: {log} is missing", run.Error, StringComparison.Ordinal);
        Assert.Contains("--accept-data-loss", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));

        using var again = await SiloProcess.StartAsync(_directory.Path, NothingSet, "--accept-data-loss");
        Assert.Single(Directory.GetDirectories(_directory.File(".actors"), "damaged-*"));
    }

    private async Task AssertAdaAsync()
    {
        var get = await CliAsync("user", "get", "ada", "--json");
        Assert.True(get.ExitCode == 0, get.ToString());
        var ada = JsonDocument.Parse(get.Output).RootElement;
        Assert.Equal(1, ada.GetProperty("version").GetInt64());
        Assert.Equal("Ada", ada.GetProperty("displayName").GetString());
        Assert.Equal("pro", ada.GetProperty("attributes").GetProperty("plan").GetString());
        Assert.Equal(1, ada.GetProperty("counters").GetProperty("logins").GetInt64());
    }

    private Task<ProgramRun> CliAsync(params string[] arguments) =>
        ProgramRun.RunAsync(DotnetProgram.Cli, _directory.Path, NothingSet, arguments);
}
