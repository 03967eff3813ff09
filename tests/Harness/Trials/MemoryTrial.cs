using System.Globalization;
using Actors.Fixtures;
using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>Far more users and limited clients than fit into the memory of a silo.</summary>
public static class MemoryTrial
{
    private const int UsualUsers = 500_000;
    private const int Mebibyte = 1 << 20;
    private const string Policy = "trial-memory";

    private static readonly TimeSpan Usual = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LongestFill = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan FlushLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly LimitWindow[] Windows = [new(5, TimeSpan.FromSeconds(30))];

    // The expected errors: no memory, or none yet for an id that was just evicted.
    private static readonly string[] Refusals = ["OverloadedException"];

    private static readonly string[] Figures =
        ["actors_users_active", "actors_users_memory_bytes", "actors_users_shed_total", "actors_users_refused_total", "actors_limits_clients", "actors_limits_bytes"];

    /// <summary>The settings with the policy.</summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } =
        new Dictionary<string, string>(LimitPlan.PatientSettings.Concat(LimitWindow.SettingsOf(Policy, Windows)));

    /// <summary>In each round, a new silo with at most 400 MiB of managed heap.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        Verdict? verdict = null;
        for (var round = 1; round <= options.Rounds; round++)
        {
            var found = await RunOnceAsync(deployment, options, $"{options.Tag}-{round}", tell);
            verdict = verdict is null ? found : verdict.With(found.Findings);
        }
        return verdict!;
    }

    private static async Task<Verdict> RunOnceAsync(Deployment deployment, TrialOptions options, string tag, Action<string> tell)
    {
        // Only for the silo: its clients keep their memory.
        var place = await deployment.AddPlaceAsync(settings: new Dictionary<string, string>
        {
            ["DOTNET_GCHeapHardLimit"] = string.Create(CultureInfo.InvariantCulture, $"0x{400L * Mebibyte:x}"),
        });
        var silo = deployment.Silo(place);
        var users = options.Users ?? UsualUsers;
        using var loads = await LoadSet.StartAsync(
            deployment,
            new LoadOptions($"{tag}-users") { Users = users, Concurrency = 64 },
            new LoadOptions($"{tag}-reads") { Users = users, Concurrency = 8, IsReads = true, Prefix = $"{tag}-users-" },
            new LoadOptions($"{tag}-limits") { Limits = new(Policy, TimeSpan.Zero), Users = users / 5 * 2, Concurrency = 32 });

        // Long enough to write each user once, and at least the usual time.
        var began = DateTime.UtcNow;
        var most = (Resident: 0L, Heap: 0.0);
        while (DateTime.UtcNow - began < (options.Outage ?? Usual) || loads.Loads[0].Succeeded < users)
        {
            if (silo.HasExited || DateTime.UtcNow - began > LongestFill) break;
            await Task.Delay(Second);
            most = (Math.Max(most.Resident, Resident(silo)), Math.Max(most.Heap, await HeapAsync(silo)));
        }
        var results = await loads.StopAsync(tell);
        var metrics = await silo.GetAsync("/metrics");
        tell($"resident {most.Resident} MiB at most, heap {most.Heap / Mebibyte:0} MiB at most after a collection; "
            + string.Join(", ", Figures.Select(name => FormattableString.Invariant($"{name} {Metric(metrics, name):#,0}"))));

        var findings = new List<string>();
        if (silo.HasExited) findings.Add($"the silo exited:\n{silo.Output}");
        if (results[0].Succeeded < users) findings.Add($"{results[0].Succeeded:#,0} of {users:#,0} users were written");
        foreach (var result in results)
        {
            var others = result.Failures.Keys.Except(Refusals).ToList();
            if (others.Count > 0) findings.Add($"{result.Options.Name} failed with {string.Join(", ", others)}");
        }
        var limits = LimitCheck.Run([GrantLedger.Read(results[2].Ledger)], Windows);
        tell(limits.ToString());
        findings.AddRange(limits.Findings);
        var verdict = await LedgerCheck.RunAsync(deployment, [results[0]], FlushLimit);

        // Last, because the reads of the check also pass through the silo.
        if ((await File.ReadAllTextAsync(silo.Log)).Contains("OutOfMemory", StringComparison.Ordinal)) findings.Add($"the silo was out of memory, see {silo.Log}");
        await deployment.RemoveSiloAsync(place);
        return verdict.With(findings);
    }

    private static long Resident(SiloProcess silo)
    {
        using var process = System.Diagnostics.Process.GetProcessById(silo.ProcessId);
        return process.WorkingSet64 / Mebibyte;
    }

    private static async Task<double> HeapAsync(SiloProcess silo)
    {
        try
        {
            return Metric(await silo.GetAsync("/metrics"), "dotnet_gc_last_collection_heap_size_bytes");
        }
        catch (Exception error) when (error is HttpRequestException or TaskCanceledException)
        {
            // A busy silo may respond late; the next second has another chance.
            return 0;
        }
    }

    // NAME{LABELS} VALUE TIMESTAMP; several series of a name are added.
    private static double Metric(string metrics, string name) => metrics.Split('\n')
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal))
        .Sum(line => double.Parse(line[(line.LastIndexOf('}') + 1)..].Replace(name, "", StringComparison.Ordinal).Trim().Split(' ')[0], CultureInfo.InvariantCulture));
}
