using System.Globalization;

namespace Actors.Harness.Trials;

/// <summary>PostgreSQL is stopped until a silo reaches the ceiling of unflushed bytes, and long after that.</summary>
public static class CeilingTrial
{
    private const long Mebibyte = 1L << 20;

    // A row takes several times its counted size in memory; an unbounded structure grows by more in two minutes.
    private const long MostGrowth = 400;

    private const string Overloaded = "OverloadedException";

    // The latter for users that are not in memory.
    private static readonly string[] Refusals = [Overloaded, "StorageUnavailableException"];
    private static readonly TimeSpan UsualOutage = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>The settings of a silo with this ceiling.</summary>
    public static IReadOnlyDictionary<string, string> SettingsOf(int mebibytes) =>
        new Dictionary<string, string> { ["Actors__WriteBehind__MaxUnflushedBytes"] = $"{mebibytes * Mebibyte}" };

    /// <summary>One outage per round.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        // All users are in memory beforehand, because others cannot be loaded during the outage.
        var users = options.Users ?? 60_000;
        var findings = new List<string>();
        using var loads = await LoadSet.StartAsync(deployment, new LoadOptions($"{options.Tag}-ceiling") { Users = users, Concurrency = 64 });
        var load = loads.Loads[0];
        await load.SucceededAsync(users, TimeSpan.FromMinutes(5));
        for (var round = 1; round <= options.Rounds; round++)
        {
            var before = Resident(deployment);
            var (seconds, failed) = (load.Timeline.Count, Failed(load));
            var most = before;
            await using (await Faults.Find("postgres-stop").BeginAsync(deployment))
            {
                for (var end = DateTime.UtcNow + (options.Outage ?? UsualOutage); DateTime.UtcNow < end; most = Math.Max(most, Resident(deployment)))
                    await Task.Delay(Second);
            }
            var refused = load.Timeline.Skip(seconds).FirstOrDefault(second => second.Failures.ContainsKey(Overloaded));
            tell(string.Create(CultureInfo.InvariantCulture,
                $"round {round}: resident {before} MiB before, {most} MiB at most during the outage, {Resident(deployment)} MiB after;"
                + $" {(refused is null ? "no write rejected" : $"the ceiling was reached after {refused.Second - seconds} s, {Failed(load) - failed:#,0} writes rejected")}"));
            if (refused is null) findings.Add($"round {round}: the ceiling was not reached");
            if (most - before > MostGrowth) findings.Add($"round {round}: the silo grew from {before} to {most} MiB");
            await deployment.SettleAsync();
        }
        var results = await loads.StopAsync(tell);
        var others = results[0].Failures.Keys.Except(Refusals).ToList();
        if (others.Count > 0) findings.Add($"writes failed with {string.Join(", ", others)}");
        return (await LedgerCheck.RunAsync(deployment, results)).With(findings);
    }

    private static long Failed(LoadRun load) => load.Timeline.Sum(second => second.Failed);

    /// <summary>The peak memory of a silo in MiB.</summary>
    private static long Resident(Deployment deployment) => deployment.Silos.Max(silo =>
    {
        using var process = System.Diagnostics.Process.GetProcessById(deployment.Silo(silo).ProcessId);
        return process.WorkingSet64 / Mebibyte;
    });
}
