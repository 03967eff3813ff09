using System.Globalization;

namespace Actors.Harness.Trials;

/// <summary>All Redis faults, one after the other.</summary>
public static class RedisTrial
{
    private static readonly (string Fault, TimeSpan Duration)[] Steps =
    [
        ("redis-kill", TimeSpan.FromSeconds(10)), ("redis-restart-empty", TimeSpan.FromSeconds(3)),
        ("redis-pause", TimeSpan.FromSeconds(60)), ("redis-lose-tail", TimeSpan.FromSeconds(3)),
    ];

    /// <summary>Runs all faults in each round.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        using var loads = await LoadSet.AllAsync(deployment, options);
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var (fault, usual) in Steps)
            {
                var duration = options.Outage ?? usual;
                tell(string.Create(CultureInfo.InvariantCulture, $"round {round}: {fault} for {duration.TotalSeconds:0} s"));
                await Faults.Find(fault).RunAsync(deployment, duration);
                await deployment.HealAsync(tell);
                await deployment.SettleAsync();
            }
        }
        return await LedgerCheck.RunAsync(deployment, await loads.StopAsync(tell));
    }
}
