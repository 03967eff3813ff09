using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>Silos with wrong clocks, and clusters that would share data.</summary>
public sealed class ClocksAndClustersTests
{
    private static readonly TimeSpan Off = TimeSpan.FromMinutes(11);

    [Fact]
    public async Task Second_cluster_of_a_service_is_refused_until_the_first_stops()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1);

        var run = await RunAsync(deployment, deployment.Environment, "--Actors:ClusterId", "green");
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("error: Actors:ServiceId actors is in use by the cluster 'actors' (silo ", run.Error, StringComparison.Ordinal);
        Assert.Contains(" s ago in Redis at ", run.Error, StringComparison.Ordinal);
        AssertIsOneLine(run);

        Assert.Equal(0, (await deployment.Silo(0).StopAsync()).ExitCode);
        using var green = await SiloProcess.StartAsync(deployment.Directory, deployment.Environment, "--Actors:ClusterId", "green");
    }

    [Fact]
    public async Task Silo_with_a_wrong_clock_is_refused_or_does_not_block_other_joins()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1);
        var environment = new Dictionary<string, string>(deployment.Environment);
        foreach (var (name, value) in ClockOffset.Of(Off)) environment[name] = value;

        var run = await RunAsync(deployment, environment);
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("error: This machine's clock is ", run.Error, StringComparison.Ordinal);
        Assert.Contains("PostgreSQL at ", run.Error, StringComparison.Ordinal);
        Assert.Contains("Actors:MaxClockSkew", run.Error, StringComparison.Ordinal);
        AssertIsOneLine(run);

        var ahead = await deployment.AddPlaceAsync(isPersistent: false, ClockOffset.Of(Off), "--Actors:MaxClockSkew", "1.00:00:00");
        Assert.True(await deployment.Silo(ahead).ClockAsync() - DateTimeOffset.UtcNow > Off / 2);
        var right = await deployment.AddSiloAsync();
        await deployment.AssertIsOneClusterAsync([deployment.Silo(0), deployment.Silo(ahead), right]);
    }

    private static Task<ProgramRun> RunAsync(Deployment deployment, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var ports = FreePorts.Next(3);
        return ProgramRun.RunAsync(
            DotnetProgram.Silo, deployment.Directory, environment,
            ["--urls", $"http://127.0.0.1:{ports[0]}", "--Actors:SiloPort", $"{ports[1]}", "--Actors:GatewayPort", $"{ports[2]}", .. arguments]);
    }

    private static void AssertIsOneLine(ProgramRun run)
    {
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }
}
