using System.Diagnostics;
using System.Globalization;

namespace Actors.Harness.Trials;

/// <summary>
/// kill -9 of random silos. Before each kill, separate users are written and then not called: the dead silo's unflushed rows
/// must still reach the database soon.
/// </summary>
public static class KillTrial
{
    private const int LeftUsers = 300;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>The maximum time until the rows of a killed silo are flushed.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(15);

    /// <summary>Slow flush settings, so that each kill leaves unflushed rows.</summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } =
        new Dictionary<string, string> { ["Actors__WriteBehind__FlushInterval"] = "00:00:03" };

    /// <summary>Kills a silo in each round and starts a new one in its place.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var random = new Random(options.Seed);
        var findings = new List<string>();
        var left = new List<LoadResult>();
        using var loads = await LoadSet.WritesAsync(deployment, options);
        for (var round = 1; round <= options.Rounds; round++)
        {
            var silo = deployment.Silos[random.Next(deployment.Silos.Count)];
            using var load = deployment.StartLoad(new($"{options.Tag}-left{round}") { Users = LeftUsers, Concurrency = 16 });
            await load.SucceededAsync(3 * LeftUsers, TimeSpan.FromMinutes(5));
            left.Add(await load.StopAsync());

            await deployment.Silo(silo).KillAsync();
            var (behind, took) = await FlushedAsync(deployment, left[^1]);
            tell(string.Create(CultureInfo.InvariantCulture,
                $"round {round}: silo {silo} killed with {behind} of {LeftUsers} users unflushed in the cluster; all in PostgreSQL {took.TotalSeconds:0.0} s later"));
            if (took > Limit) findings.Add($"round {round}: the rows of silo {silo} were in PostgreSQL after {took.TotalSeconds:0.0} s; the limit is {Limit.TotalSeconds} s");

            await deployment.RestartSiloAsync(silo);
            await deployment.HealAsync(tell);
            await deployment.SettleAsync();
        }
        var verdict = await LedgerCheck.RunAsync(deployment, [.. await loads.StopAsync(tell), .. left]);
        return verdict.With(findings);
    }

    /// <summary>The initial number of missing rows, and the time until none is missing.</summary>
    private static async Task<(int Behind, TimeSpan Took)> FlushedAsync(Deployment deployment, LoadResult load)
    {
        var watch = Stopwatch.StartNew();
        var acknowledged = Acknowledged.Read(load.Ledger);
        await using var database = deployment.Connect();
        for (int? first = null; ;)
        {
            var behind = acknowledged.Behind(await StoredRow.ReadAsync(database, load.Options.Prefix)).Count();
            first ??= behind;
            if (behind == 0 || watch.Elapsed > Patience) return (first.Value, watch.Elapsed);
            await Task.Delay(Look);
        }
    }
}
