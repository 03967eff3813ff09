using Actors.Harness.Trials;

namespace Actors.Fault.Tests;

/// <summary>Silos are replaced, killed one at a time, and killed all at once: shortened trials of tests/Soak.</summary>
public sealed class SilosComeAndGoTests(ThreeSilos cluster, ITestOutputHelper output) : IClassFixture<ThreeSilos>
{
    [Fact]
    public async Task Every_acknowledged_write_is_in_the_database()
    {
        var ledger = Path.Combine(cluster.Deployment.Directory, "whole.ledger");
        var load = await cluster.Deployment.CliAsync(
            "load", "writes", "--seconds", "2", "--users", "500", "--concurrency", "64", "--prefix", "whole-", "--ledger", ledger);
        Assert.True(load.ExitCode == 0, load.ToString());
        Assert.True(File.ReadLines(ledger).Count() > 50, load.ToString());

        var verify = await cluster.Deployment.CliAsync("verify", "--ledger", ledger);
        Assert.True(verify.ExitCode == 0, $"{load}\n{verify}");
        Assert.Contains("actors_flush_rows_total", await cluster.Deployment.Silo(0).GetAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_to_a_killed_silo_fails_soon_after_the_silo_is_declared_dead()
    {
        // No call has a request id, so none is retried, and each has 30 s.
        using var load = cluster.Deployment.StartLoad(new("lost") { Users = 500, Concurrency = 64 });
        await load.SucceededAsync(500);
        await cluster.Deployment.Silo(0).KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(20));
        var result = await load.StopAsync();
        await cluster.Deployment.RestartSiloAsync(0);
        output.WriteLine(result.ToString());

        // A silo is declared dead after 6 to 7 s.
        Assert.InRange(result.LongestFailedMs, 0, 15_000);
        Assert.Equal(0, result.Failed - result.Failures.GetValueOrDefault("ClusterUnreachableException"));
    }

    [Fact]
    public Task No_call_fails_during_a_rolling_replacement() => TryAsync(RollingTrial.RunAsync);

    [Fact]
    public Task Rows_of_a_killed_silo_are_flushed_soon_without_a_call() => TryAsync(KillTrial.RunAsync);

    [Fact]
    public Task Kills_of_one_silo_without_PostgreSQL_or_of_all_silos_lose_nothing() => TryAsync(CrashTrial.RunAsync);

    private async Task TryAsync(Func<Deployment, TrialOptions, Action<string>, Task<Verdict>> trial)
    {
        var verdict = await trial(cluster.Deployment, new(Users: 200, Outage: TimeSpan.FromSeconds(4), Rate: 300), output.WriteLine);
        output.WriteLine(verdict.ToString());
        Assert.True(verdict.IsClean, $"{verdict}\n{cluster.Deployment.Describe()}");
    }
}
