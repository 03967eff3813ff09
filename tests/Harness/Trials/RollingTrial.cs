namespace Actors.Harness.Trials;

/// <summary>Silos are replaced one after the other, and nobody who calls the cluster notices.</summary>
public static class RollingTrial
{
    /// <summary>Replaces all silos, as often as there are rounds.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        using var loads = await LoadSet.AllAsync(deployment, options);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var silo in deployment.Silos)
            {
                tell($"round {round}: silo {silo} is replaced");
                await Faults.Find("silo-stop").RunAsync(deployment, TimeSpan.Zero, silo);
            }
        }
        var results = await loads.StopAsync(tell);
        var verdict = await LedgerCheck.RunAsync(deployment, results);
        return verdict.With(results.Where(load => load.Failed > 0).Select(load => $"calls failed: {load}"));
    }
}
