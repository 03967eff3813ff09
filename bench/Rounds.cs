using Actors.Bench.App;

namespace Actors.Bench;

/// <summary>The results of a contender: medians over the rounds.</summary>
/// <param name="PerSecond">Writes, rows or calls per second.</param>
/// <param name="Bytes">Bytes allocated in this process, or the app's, per write, row or call.</param>
/// <param name="Cpu">CPU time of this process (callers and silo or driver), or the app's, per write, row or call, in microseconds.</param>
/// <param name="RedisCpu">CPU time of Redis per write, row or call, in microseconds.</param>
/// <param name="Doubts">Reasons to doubt the figures.</param>
internal sealed record Medians(double PerSecond, double Bytes, double Cpu, double RedisCpu, IReadOnlyList<string> Doubts)
{
    /// <summary>What a case from an app has besides; null for others.</summary>
    public AppMedians? App { get; init; }

    /// <summary>
    /// True if calls do not allocate; other allocations of the process are far below this threshold per call.
    /// </summary>
    public bool AllocatesNothing => Bytes < 0.01;
}

/// <summary>What a case from an app has besides.</summary>
/// <param name="SiloCpu">CPU time of the silo per write or call, in microseconds; null if no silo takes part.</param>
/// <param name="P50">The median latency of a call, in milliseconds.</param>
/// <param name="P99">The 99th percentile, in milliseconds.</param>
internal sealed record AppMedians(double? SiloCpu, double P50, double P99);

/// <summary>A measured case.</summary>
internal sealed record CaseResult(BenchCase Case, Medians Ours, IReadOnlyList<Medians> Theirs)
{
    /// <summary>What the load generator of an app takes by itself; null for other cases.</summary>
    public AppTurn? EmptyLoop { get; init; }
}

/// <summary>Measures a case: ours and the peers have turns in each round, in reverse order every other round.</summary>
internal static class Rounds
{
    public static async Task<CaseResult> RunAsync(
        BenchCase measured, Load load, ProgressLine progress, CancellationToken cancellationToken)
    {
        if (measured.NeedsServers) progress.Tell($"{measured.Name}: starting the servers");
        await using var servers = measured.NeedsServers ? await BenchServers.StartAsync() : BenchServers.None();
        (string Name, Contender Contender, List<Cost> Costs)[] contenders =
        [
            ("ours", measured.Ours(servers), []),
            .. measured.Peers.Select(peer => (peer.Name, peer.Make(servers), new List<Cost>())),
        ];
        AppTurn? emptyLoop;
        try
        {
            foreach (var (name, contender, _) in contenders)
            {
                progress.Tell($"{measured.Name}: preparing and warming up: {name}");
                await contender.PrepareAsync(load);
                await TurnAsync(contender, servers, load with { Duration = load.WarmUp }, cancellationToken);
            }

            for (var round = 1; round <= load.Rounds; round++)
            {
                // Alternating the order spreads the leftovers of a contender (dirty pages, garbage) over all of them.
                foreach (var (name, contender, costs) in round % 2 == 1 ? contenders : contenders.Reverse())
                {
                    progress.Tell($"{measured.Name}: round {round} of {load.Rounds}: {name}");
                    costs.Add(await TurnAsync(contender, servers, load, cancellationToken));
                    progress.Tell($"{measured.Name}: round {round} of {load.Rounds}: {name}: {costs[^1].PerSecond:N0} {measured.Unit}");
                }
            }

            foreach (var (_, contender, _) in contenders) await contender.VerifyAsync();
            emptyLoop = servers.EmptyLoop;
        }
        finally
        {
            foreach (var (_, contender, _) in contenders) await contender.DisposeAsync();
        }

        var medians = Array.ConvertAll(contenders, each => MediansOf(each.Costs));
        return new CaseResult(measured, medians[0], medians[1..]) { EmptyLoop = emptyLoop };
    }

    private static async Task<Cost> TurnAsync(
        Contender contender, BenchServers servers, Load load, CancellationToken cancellationToken)
    {
        await contender.BeforeTurnAsync();
        await servers.SettleAsync();
        GC.Collect();

        var redisCpu = await servers.RedisCpuAsync();
        var cpu = Environment.CpuUsage.TotalTime;
        var bytes = GC.GetTotalAllocatedBytes();
        var turn = await contender.RunAsync(load, cancellationToken);
        bytes = GC.GetTotalAllocatedBytes() - bytes;
        cpu = Environment.CpuUsage.TotalTime - cpu;
        redisCpu = await servers.RedisCpuAsync() - redisCpu;

        await contender.AfterTurnAsync();
        return new Cost(
            turn.PerSecond,
            (double)(turn.App?.Bytes ?? bytes) / turn.Count,
            (turn.App?.Cpu ?? cpu).TotalMicroseconds / turn.Count,
            redisCpu.TotalMicroseconds / turn.Count,
            turn.Doubt)
        {
            App = turn.App is { } app
                ? new(app.SiloCpu?.TotalMicroseconds / turn.Count, app.P50.TotalMilliseconds, app.P99.TotalMilliseconds)
                : null,
        };
    }

    private static Medians MediansOf(IReadOnlyList<Cost> costs) => new(
        Median(costs, cost => cost.PerSecond),
        Median(costs, cost => cost.Bytes),
        Median(costs, cost => cost.Cpu),
        Median(costs, cost => cost.RedisCpu),
        [.. costs.Select(cost => cost.Doubt).OfType<string>().Distinct()])
    {
        App = costs[0].App is null ? null : new(
            costs[0].App!.SiloCpu is null ? null : Median(costs, cost => cost.App!.SiloCpu!.Value),
            Median(costs, cost => cost.App!.P50),
            Median(costs, cost => cost.App!.P99)),
    };

    private static double Median(IReadOnlyList<Cost> costs, Func<Cost, double> figure)
    {
        var sorted = costs.Select(figure).Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private sealed record Cost(double PerSecond, double Bytes, double Cpu, double RedisCpu, string? Doubt)
    {
        public AppMedians? App { get; init; }
    }
}
