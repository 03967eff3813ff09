namespace Actors.Harness.Trials;

/// <summary>
/// kill -9 of silos that limit clients. Calls without a response from a killed silo fail by their timeout; some are charged
/// anyway, but no window exceeds its limit.
/// </summary>
public static class LimitKillTrial
{
    private const int Clients = 4;

    // Only calls lost with the silo: they get an error or time out.
    private static readonly string[] Explained = ["ClusterUnreachableException"];

    /// <summary>In each round, replaces each silo once after a kill.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.Of(options);
        using var loads = await LimitLoads.StartAtRateAsync(deployment, plan, options.Tag, Clients, LimitLoads.TwoProcesses);
        await loads.SteadyAsync("before", isAfterFault: true);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var silo in deployment.Silos)
            {
                var killed = LimitLoads.Now;
                await deployment.Silo(silo).KillAsync();
                await deployment.RestartSiloAsync(silo);
                await deployment.HealAsync(tell);
                tell($"round {round}: silo {silo} killed; a new one is in its place after {LimitLoads.Seconds(killed, LimitLoads.Now)}");
                if (!options.IsShort || silo == deployment.Silos[^1]) await loads.SteadyAsync($"round {round}, after silo {silo} was killed", isAfterFault: true);
            }
        }
        var (results, report) = await loads.StopAsync(tell);
        return report.With(results.SelectMany(load => load.Failures.Keys.Except(Explained).Select(failure => $"calls failed with {failure}: {load}")));
    }
}
