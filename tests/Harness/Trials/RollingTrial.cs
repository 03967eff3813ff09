using System.Globalization;

namespace Actors.Harness.Trials;

/// <summary>Silos are stopped gracefully and replaced one at a time, and no caller notices.</summary>
public static class RollingTrial
{
    // Actors:StopTimeout.
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(30);

    /// <summary>Replaces all silos in each round.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var findings = new List<string>();
        using var loads = await LoadSet.AllAsync(deployment, options);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var silo in deployment.Silos)
            {
                var process = deployment.Silo(silo);
                var (elapsed, exitCode) = await process.StopAsync();
                if (exitCode != 0 || elapsed > StopLimit || !process.Output.Contains("nothing is left", StringComparison.Ordinal))
                    findings.Add($"round {round}: silo {silo} stopped after {elapsed} with exit code {exitCode}:\n{process.Output}");
                await deployment.RestartSiloAsync(silo);
                tell(string.Create(CultureInfo.InvariantCulture, $"round {round}: silo {silo} stopped in {elapsed.TotalSeconds:0.0} s; a new one has started"));
            }
        }
        var results = await loads.StopAsync(tell);
        var verdict = await LedgerCheck.RunAsync(deployment, results);
        return verdict.With([.. findings, .. results.Where(load => load.Failed > 0).Select(load => $"calls failed: {load}")]);
    }
}
