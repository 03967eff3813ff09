using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>Load with a ledger of what was acknowledged, a fault in the midst of it, and the ledger held against cluster and database.</summary>
public sealed class LedgerTests
{
    [Fact]
    public async Task Every_acknowledged_write_is_in_the_database()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2);
        await AssertNothingLostAsync(deployment, fault: () => Task.CompletedTask);
        Assert.Equal(0, await deployment.QueryAsync<long>("SELECT count(*) - count(DISTINCT id) FROM users"));
        Assert.Contains("actors_flush_rows_total", await deployment.Silo(0).GetAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_graceful_stop_under_load_loses_nothing_and_ends_in_time()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2);
        await AssertNothingLostAsync(deployment, async () =>
        {
            var silo = deployment.Silo(1);
            var (elapsed, exitCode) = await silo.StopAsync();
            Assert.True(exitCode == 0, silo.Output);
            Assert.True(elapsed < TimeSpan.FromSeconds(30), $"The stop took {elapsed}, and Actors:StopTimeout is 30 s:\n{silo.Output}");
            Assert.Contains("Drained:", silo.Output, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_killed_silo_loses_nothing_and_the_others_flush_what_it_left()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2);
        await AssertNothingLostAsync(deployment, () => deployment.Silo(1).KillAsync());
    }

    private static async Task AssertNothingLostAsync(Deployment deployment, Func<Task> fault)
    {
        var ledger = Path.Combine(deployment.Directory, "ledger");
        var load = deployment.CliAsync(
            "load", "writes", "--seconds", "8", "--users", "500", "--concurrency", "64", "--ledger", ledger);
        await Eventually.IsTrueAsync(() => Task.FromResult(File.Exists(ledger) && new FileInfo(ledger).Length > 0));
        await fault();
        var loaded = await load;
        Assert.True(loaded.ExitCode == 0, loaded.ToString());

        var verify = await deployment.CliAsync("verify", "--ledger", ledger);
        Assert.True(verify.ExitCode == 0, $"{loaded}\n{verify}");
        Assert.True(File.ReadLines(ledger).Count() > 500, loaded.ToString());
    }
}
