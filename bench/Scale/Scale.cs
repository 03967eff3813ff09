using System.Globalization;
using Actors.Bench.App;

namespace Actors.Bench.Scale;

/// <summary>The rate of one work of an app.</summary>
/// <param name="Silos">The number of silos.</param>
/// <param name="Work">The work, as named in <see cref="AppWorks"/>.</param>
/// <param name="PerSecond">Calls per second.</param>
/// <param name="Together">The share of calls that travelled with others; the rest went alone.</param>
/// <param name="Forwarded">The share of those that the silo sent on to another, or returned.</param>
internal sealed record ScaleStep(int Silos, string Work, double PerSecond, double Together, double Forwarded);

/// <summary>Reads while a silo joins.</summary>
/// <param name="Since">The time since it was ready, at the end of the turn.</param>
/// <param name="PerSecond">Reads per second.</param>
/// <param name="Together">The share of reads that travelled with others; the rest went alone.</param>
/// <param name="Forwarded">The share of those that went to another silo than that of their user.</param>
internal sealed record JoinStep(TimeSpan Since, double PerSecond, double Together, double Forwarded);

/// <summary>Measures what an app gets from one, two and three silos, and how its calls find their grains after a fourth has joined.</summary>
internal static class Scale
{
    private const int MostSilos = 3;
    private const int CallersAtOnce = 1_024;

    /// <summary>With less than this share of forwarded or returned calls, the grains are considered to be at home.</summary>
    private const double AtRest = 0.01;

    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RestLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan AfterJoin = TimeSpan.FromSeconds(75);
    private static readonly string[] Works = [AppWorks.Writes, AppWorks.Reads, AppWorks.Ours(AppLimit.Many)];

    public static async Task<(IReadOnlyList<ScaleStep> Steps, IReadOnlyList<JoinStep> Join)> RunAsync(
        ProgressLine progress, CancellationToken cancellationToken)
    {
        await using var servers = await BenchServers.StartAsync();
        var cluster = await servers.AppClusterAsync();
        var app = await cluster.AppAsync();
        foreach (var work in Works) await app.AskAsync(new(AppVerb.Prepare, work));

        var steps = new List<ScaleStep>();
        for (var silos = 1; silos <= MostSilos; silos++)
        {
            progress.Tell($"scale: {silos} silos, waiting until all grains are at home");
            if (silos > 1) await cluster.AddSiloAsync();
            foreach (var work in Works) await RestAsync(work);
            foreach (var work in Works)
            {
                progress.Tell($"scale: {silos} silos, {work}");
                var (rate, together, forwarded) = await MeasureAsync(work);
                steps.Add(new(silos, work, rate, together, forwarded));
            }
        }

        progress.Tell("scale: reads while a silo joins");
        var join = new List<JoinStep>();
        var joining = cluster.AddSiloAsync();
        while (!joining.IsCompleted) join.Add(await ReadAsync(TimeSpan.Zero));
        await joining;
        var ready = TimeProvider.System.GetTimestamp();
        while (join[^1].Since < AfterJoin) join.Add(await ReadAsync(TimeProvider.System.GetElapsedTime(ready) + Turn));
        return (steps, join);

        async Task<JoinStep> ReadAsync(TimeSpan since)
        {
            var (rate, together, forwarded) = await MeasureAsync(AppWorks.Reads);
            return new(since, rate, together, forwarded);
        }

        async Task RestAsync(string work)
        {
            var began = TimeProvider.System.GetTimestamp();
            while ((await MeasureAsync(work)).Forwarded is var share && share > AtRest)
            {
                if (TimeProvider.System.GetElapsedTime(began) > RestLimit)
                    throw new InvalidOperationException($"{work}: {share:P1} of the calls are still forwarded or returned {RestLimit} after a silo has joined.");
            }
        }

        async Task<(double PerSecond, double Together, double Forwarded)> MeasureAsync(string work)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var before = await CallsAsync(cluster);
            var turn = (await app.AskAsync(new(AppVerb.Run, work, CallersAtOnce, Turn))).Turn!;
            var after = await CallsAsync(cluster);
            var together = after.All - before.All;
            return (turn.Count / turn.Elapsed.TotalSeconds, together / turn.Count, (after.Forwarded - before.Forwarded) / Math.Max(1, together));
        }
    }

    /// <summary>The calls that came in messages so far, by the metrics of the silos.</summary>
    private static async Task<(double All, double Forwarded)> CallsAsync(AppCluster cluster)
    {
        var (all, forwarded) = (0.0, 0.0);
        foreach (var silo in cluster.Silos)
        {
            foreach (var line in (await silo.GetAsync("/metrics")).Split('\n').Where(line => line.StartsWith("actors_calls_total{", StringComparison.Ordinal)))
            {
                var value = double.Parse(line[(line.LastIndexOf('}') + 1)..].Trim().Split(' ')[0], CultureInfo.InvariantCulture);
                all += value;
                if (line.Contains("way=\"forwarded\"", StringComparison.Ordinal) || line.Contains("way=\"returned\"", StringComparison.Ordinal))
                    forwarded += value;
            }
        }

        return (all, forwarded);
    }
}
