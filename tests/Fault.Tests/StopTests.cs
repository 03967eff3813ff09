namespace Actors.Fault.Tests;

/// <summary>Silos are told to stop while Redis, PostgreSQL or both are away.</summary>
public sealed class StopTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(20);

    // The process starts to stop and ends within this as well, on a machine that is busy.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);
    private const int MostLines = 30;

    private static readonly Dictionary<string, string> Settings = new()
    {
        ["Actors__StopTimeout"] = "00:00:20",
        ["Actors__WriteBehind__DrainTimeout"] = "00:00:10",
    };

    private Deployment _deployment = null!;

    public async ValueTask InitializeAsync() => _deployment = await Deployment.StartAsync(silos: 4, new(Settings: Settings));

    public ValueTask DisposeAsync() => _deployment.DisposeAsync();

    [Fact]
    public async Task Stop_keeps_its_timeout_while_Redis_or_PostgreSQL_are_away()
    {
        await LoadAsync();
        await _deployment.Redis.KillAsync();
        await StopAsync("Redis", 0);

        // The others know that it has gone, although the table cannot say so, and serve its users.
        foreach (var user in Enumerable.Range(0, 20))
        {
            var get = await _deployment.CliAsync("user", "get", $"stop-{user}", "--json");
            Assert.True(get.ExitCode == 0, get.ToString());
        }

        await _deployment.Redis.StartAsync();
        await LoadAsync();
        await _deployment.Postgres.KillAsync();
        await LoadAsync();
        await StopAsync("PostgreSQL", 1);

        await _deployment.Redis.KillAsync();
        await StopAsync("Redis and PostgreSQL", 2);
    }

    private async Task LoadAsync()
    {
        var load = await _deployment.CliAsync(
            "load", "writes", "--seconds", "3", "--users", "300", "--concurrency", "32", "--prefix", "stop-");
        output.WriteLine(load.ToString());
    }

    private async Task StopAsync(string away, int index)
    {
        var silo = _deployment.Silo(index);
        var before = File.ReadLines(silo.Log).Count();
        var (elapsed, exitCode) = await silo.StopAsync();
        var lines = File.ReadLines(silo.Log).Skip(before).ToList();
        var report = $"{away} away: stopped in {elapsed}, exit code {exitCode}, {lines.Count} lines:\n{string.Join('\n', lines.Take(60))}";
        output.WriteLine(report);
        Assert.True(exitCode == 0 && elapsed <= StopTimeout + Slack && lines.Count < MostLines, report);
    }
}
