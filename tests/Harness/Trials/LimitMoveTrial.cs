namespace Actors.Harness.Trials;

/// <summary>Limiters move because silos stop gracefully and others join: neither callers nor waiting calls notice.</summary>
public static class LimitMoveTrial
{
    private const int Clients = 4;
    private const int Callers = 300;

    /// <summary>In each round, replaces each silo, and one more joins and leaves.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.Of(options);
        using var loads = await LimitLoads.StartAtRateAsync(deployment, plan, options.Tag, Clients, LimitLoads.TwoProcesses);
        using var waiting = await LimitLoads.StartAsync(deployment, plan, $"{options.Tag}-waits", Clients, Callers, LimitLoads.TwoProcesses[..1]);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var silo in options.IsShort ? deployment.Silos.Take(1) : deployment.Silos)
            {
                var (elapsed, exitCode) = await deployment.Silo(silo).StopAsync();
                await deployment.RestartSiloAsync(silo);
                tell($"round {round}: silo {silo} stopped in {elapsed.TotalSeconds:0.0} s with exit code {exitCode}; a new one has started");
            }

            var added = await deployment.AddPlaceAsync();
            tell($"round {round}: silo {added} joined");
            await Task.Delay(plan.Longest);
            await deployment.RemoveSiloAsync(added);
            tell($"round {round}: silo {added} left");
            await Task.WhenAll(loads.SteadyAsync($"round {round}, after all moves", isAfterFault: true), waiting.SteadyAsync($"round {round}, after all moves", isAfterFault: true));
        }
        var (results, report) = await loads.StopAsync(tell);
        var (waited, ofWaiting) = await waiting.StopAsync(tell);
        tell(ofWaiting.ToString());
        return report.With([.. ofWaiting.Findings, .. LimitLoads.Failures([.. results, .. waited])]);
    }
}
