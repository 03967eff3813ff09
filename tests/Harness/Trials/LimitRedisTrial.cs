namespace Actors.Harness.Trials;

/// <summary>
/// Redis fails under limiter callers and returns with or without its data: silos decide from memory, and there is no second
/// budget during or after the outage.
/// </summary>
public static class LimitRedisTrial
{
    private const int Clients = 4;
    private static readonly TimeSpan UsualOutage = TimeSpan.FromSeconds(20);
    private static readonly string[] Steps = ["redis-pause", "redis-kill", "redis-restart-empty"];

    /// <summary>Runs all cases in each round.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.Of(options);
        var outages = new List<(string Fault, long From, long Until)>();
        using var loads = await LimitLoads.StartAtRateAsync(deployment, plan, options.Tag, Clients, LimitLoads.TwoProcesses);
        await loads.SteadyAsync("before", isAfterFault: true);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var fault in Steps)
            {
                var from = LimitLoads.Now;
                await Faults.Find(fault).RunAsync(deployment, options.Outage ?? UsualOutage);
                outages.Add((fault, from, LimitLoads.Now));
                await deployment.HealAsync(tell);
                tell($"round {round}: {fault}, down for {LimitLoads.Seconds(from, outages[^1].Until)}, healed {LimitLoads.Seconds(outages[^1].Until, LimitLoads.Now)} later");
                if (!options.IsShort) await loads.SteadyAsync($"round {round}, after {fault}", isAfterFault: true);
            }
        }
        if (options.IsShort) await loads.SteadyAsync("after all", isAfterFault: true);

        var (results, report) = await loads.StopAsync(tell);
        var findings = LimitLoads.Failures(results).ToList();
        foreach (var (fault, from, until) in outages)
        {
            var local = LimitLoads.Local(results, from, until);
            tell($"{fault}: {local:#,0} grants without Redis during the outage");
            if (local == 0) findings.Add($"{fault}: no permit was granted during the outage");
        }
        return report.With(findings);
    }
}
