namespace Actors.Fault.Tests;

/// <summary>Silos stop while Redis, PostgreSQL or both are down.</summary>
public sealed class StopTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(14);

    // Includes the start of the stop and the exit of the process, on a busy machine.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);
    private const int MostLines = 30;

    private static readonly Dictionary<string, string> Settings = new()
    {
        ["Actors__StopTimeout"] = "00:00:14",
        ["Actors__WriteBehind__DrainTimeout"] = "00:00:05",
    };

    private Deployment _deployment = null!;

    public async ValueTask InitializeAsync() => _deployment = await Deployment.StartAsync(silos: 4, new(Settings: Settings));

    public ValueTask DisposeAsync() => _deployment.DisposeAsync();

    [Fact]
    public async Task Stop_keeps_its_timeout_without_Redis_or_PostgreSQL()
    {
        await LoadAsync();
        using var reads = _deployment.StartLoad(new("reads") { IsReads = true, Prefix = "stop-", Rate = 200 });
        await reads.SucceededAsync(100);
        await _deployment.Redis.KillAsync();
        await StopAsync("Redis", 0);

        // The others know that it has left, although the table cannot show it, and serve its users.
        await reads.SucceededAsync(reads.Succeeded + 1000);
        var read = await reads.StopAsync();
        Assert.True(read.Failed == 0, $"{read}\n{_deployment.Describe()}");

        // Its row shows the status once Redis is back.
        await _deployment.Redis.StartAsync();
        await _deployment.AssertIsOneClusterAsync(_deployment.Silo(1), _deployment.Silo(2), _deployment.Silo(3));
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
