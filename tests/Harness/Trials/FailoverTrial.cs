using System.Diagnostics;
using System.Globalization;
using Actors.Fixtures;

namespace Actors.Harness.Trials;

/// <summary>
/// Redis fails over behind one address: new connections reach the new primary, and open ones stay with the old one, now a
/// replica. Every silo must journal again soon, and a silo that starts meanwhile must join. Every second time the replica
/// misses recent writes, which then exist only in the memory of the silos.
/// </summary>
public static class FailoverTrial
{
    private const string JournaledRows = "actors_journal_rows_total";
    private const string CircuitStates = "actors_redis_breaker_state";
    private const int Clients = 4;
    private const int UsualRate = 150;
    private const int MostAttempts = 5;

    private static readonly TimeSpan LostTail = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan BeforeFailover = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Metrics are collected only every 300 ms.
    private static readonly TimeSpan MetricsAge = TimeSpan.FromMilliseconds(400);

    /// <summary>The maximum time until a silo journals again.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(10);

    /// <summary>One failover per round; a silo starts halfway through the middle round.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.Of(options);
        var findings = new List<string>();
        using var writes = await LoadSet.WritesAsync(deployment, options with { Rate = options.Rate ?? UsualRate });
        using var limits = await LimitLoads.StartAtRateAsync(deployment, plan, $"{options.Tag}-limits", Clients, LimitLoads.TwoProcesses);
        await limits.SteadyAsync("before", isAfterFault: true);
        for (var round = 1; round <= options.Rounds; round++)
        {
            await deployment.Pair.ReplicatedAsync();
            var joining = round == (options.Rounds + 1) / 2 ? deployment.AddPlaceAsync() : null;
            if (joining is not null) await Task.Delay(BeforeFailover);

            // A silo that just joined may have no users yet.
            SiloProcess[] silos = [.. deployment.Silos.Select(deployment.Silo)];
            var areWriting = await Task.WhenAll(silos.Select(IsWritingAsync));
            if (round % 2 == 0)
            {
                await deployment.Pair.StopReplicatingAsync();
                await Task.Delay(LostTail);
            }

            await deployment.Pair.FailOverAsync();
            var lost = deployment.Pair.LostBytes;
            var took = await Task.WhenAll(silos.Select((silo, i) => JournalsAgainAsync(silo, areWriting[i])));
            tell(string.Create(CultureInfo.InvariantCulture,
                $"round {round}: {lost:#,0} bytes lost; silos journaled again after {string.Join(", ", took.Select(each => $"{each.TotalSeconds:0.0} s"))}"));
            findings.AddRange(took.Where(each => each > Limit).Select(each => string.Create(CultureInfo.InvariantCulture,
                $"round {round}: a silo journaled again after {each.TotalSeconds:0.0} s; the limit is {Limit.TotalSeconds:0} s")));
            if (joining is not null) tell($"round {round}: a silo has joined in place {await joining}");
            await deployment.HealAsync(tell);
            await deployment.SettleAsync();
        }

        await limits.SteadyAsync("after all", isAfterFault: true);
        var (_, report) = await limits.StopAsync(tell);
        tell(report.ToString());
        findings.AddRange(report.Findings);
        findings.AddRange(deployment.Silos.SelectMany(index => Repetitions(deployment.Silo(index))));
        return (await LedgerCheck.RunAsync(deployment, await writes.StopAsync(tell))).With(findings);
    }

    private static async Task<bool> IsWritingAsync(SiloProcess silo)
    {
        var before = await JournaledAsync(silo);
        await Task.Delay(2 * MetricsAge);
        return await JournaledAsync(silo) > before;
    }

    /// <summary>
    /// The time until its circuits are closed and, if it has writes, it has journaled more: an old primary no longer accepts them.
    /// </summary>
    private static async Task<TimeSpan> JournalsAgainAsync(SiloProcess silo, bool isWriting)
    {
        var watch = Stopwatch.StartNew();
        await Task.Delay(MetricsAge);
        var before = await JournaledAsync(silo);
        while (watch.Elapsed < Patience
            && ((isWriting && await JournaledAsync(silo) == before)
                || (await ReadAsync(silo, CircuitStates)).Any(state => state != 0)))
        {
            await Task.Delay(Look);
        }

        return watch.Elapsed;
    }

    private static async Task<double> JournaledAsync(SiloProcess silo) => (await ReadAsync(silo, JournaledRows)).Sum();

    // A response may take longer than the HTTP timeout on a busy machine.
    private static async Task<IReadOnlyList<double>> ReadAsync(SiloProcess silo, string metric)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await SiloMetrics.ReadAsync(silo, metric);
            }
            catch (Exception error) when (error is HttpRequestException or OperationCanceledException && attempt < MostAttempts)
            {
                await Task.Delay(Look);
            }
        }
    }

    /// <summary>Log lines that a silo repeated: a state is logged only at its start and end.</summary>
    private static IEnumerable<string> Repetitions(SiloProcess silo)
    {
        const int TimeLength = 9;
        const int Most = 40;
        return File.ReadLines(silo.Log)
            .Where(line => (line.Contains("Actors.Redis.", StringComparison.Ordinal) || line.Contains("Actors.Membership.", StringComparison.Ordinal)) && line.Length > TimeLength)
            .GroupBy(line => line[TimeLength..])
            .Where(lines => lines.Count() > Most)
            .Select(lines => $"a silo logged {lines.Count()} times: {lines.Key}");
    }
}
