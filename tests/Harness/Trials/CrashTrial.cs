using System.Globalization;

namespace Actors.Harness.Trials;

/// <summary>Silos die while the journal has the only other copy of their memory.</summary>
public static class CrashTrial
{
    private static readonly TimeSpan UsualOutage = TimeSpan.FromSeconds(10);

    /// <summary>In each round: a silo is killed while PostgreSQL is stopped, and then all silos are killed at once.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var random = new Random(options.Seed);
        using var loads = await LoadSet.WritesAsync(deployment, options);
        for (var round = 1; round <= options.Rounds; round++)
        {
            var silo = deployment.Silos[random.Next(deployment.Silos.Count)];
            var outage = (options.Outage ?? UsualOutage) / 2;
            tell(string.Create(CultureInfo.InvariantCulture, $"round {round}: PostgreSQL is stopped, silo {silo} killed after {outage.TotalSeconds:0} s"));
            await using (await Faults.Find("postgres-stop").BeginAsync(deployment))
            {
                await Task.Delay(outage);
                await deployment.Silo(silo).KillAsync();
                await Task.Delay(outage);
            }
            await deployment.RestartSiloAsync(silo);
            await deployment.HealAsync(tell);
            await deployment.SettleAsync();

            tell($"round {round}: all silos are killed");
            await Task.WhenAll(deployment.Silos.Select(each => deployment.Silo(each).KillAsync()));
            await Task.WhenAll(deployment.Silos.Select(deployment.RestartSiloAsync));
            await deployment.HealAsync(tell);
            await deployment.SettleAsync();
        }
        return await LedgerCheck.RunAsync(deployment, await loads.StopAsync(tell));
    }
}
