using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>One client in high demand from callers that wait, and another from callers that do not.</summary>
public static class LimitHotTrial
{
    private const int Callers = 256;

    /// <summary>Runs once, whatever the number of rounds.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.HotOf(options);
        using var waiting = await LimitLoads.StartAsync(deployment, plan, $"{options.Tag}-waits", clients: 1, Callers, LimitLoads.TwoProcesses);
        await waiting.SteadyAsync("callers that wait");
        var (waited, report) = await waiting.StopAsync(tell);

        using var spinning = deployment.StartLoad(new($"{options.Tag}-spins")
        {
            Limits = new(plan.Policy, TimeSpan.Zero, Spins: true),
            Users = 1,
            Concurrency = Callers,
        });
        await spinning.SucceededAsync(Callers);
        var from = LimitLoads.Now;
        await Task.Delay(plan.Steady);
        var until = LimitLoads.Now;
        var spun = await spinning.StopAsync();
        tell(spun.ToString());
        var other = LimitCheck.Run(
            [GrantLedger.Read(spun.Ledger)], plan.Windows, new Steady("callers that retry at once", from, until));
        tell(other.ToString());
        return report.With([.. other.Findings, .. LimitLoads.Failures([.. waited, spun])]);
    }
}
