namespace Actors.Bench;

/// <summary>What a contender's turns came to: medians over the rounds.</summary>
/// <param name="PerSecond">Writes or rows per second.</param>
/// <param name="Bytes">Bytes allocated in this process, per write or row.</param>
/// <param name="Cpu">CPU time of this process (callers, and silo or driver), per write or row.</param>
/// <param name="RedisCpu">CPU time of Redis, per write or row.</param>
/// <param name="Doubts">What makes figures questionable.</param>
internal sealed record Medians(double PerSecond, double Bytes, TimeSpan Cpu, TimeSpan RedisCpu, IReadOnlyList<string> Doubts);

/// <summary>A case that was measured.</summary>
internal sealed record CaseResult(BenchCase Case, Medians Ours, IReadOnlyList<Medians> Theirs);

/// <summary>Measures a case: ours and the peers have turns, round by round, the other way round every other round.</summary>
internal static class Rounds
{
    public static async Task<CaseResult> RunAsync(
        BenchCase measured, Load load, ProgressLine progress, CancellationToken cancellationToken)
    {
        progress.Tell($"{measured.Name}: starting the servers");
        await using var servers = await BenchServers.StartAsync();
        (string Name, Contender Contender, List<Cost> Costs)[] contenders =
        [
            ("ours", measured.Ours(servers), []),
            .. measured.Peers.Select(peer => (peer.Name, peer.Make(servers), new List<Cost>())),
        ];
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
                // What a contender leaves behind (pages to write, a heap to collect) is so spread over all of them.
                foreach (var (name, contender, costs) in round % 2 == 1 ? contenders : contenders.Reverse())
                {
                    progress.Tell($"{measured.Name}: round {round} of {load.Rounds}: {name}");
                    costs.Add(await TurnAsync(contender, servers, load, cancellationToken));
                    progress.Tell($"{measured.Name}: round {round} of {load.Rounds}: {name}: {costs[^1].PerSecond:N0} {measured.Unit}");
                }
            }

            foreach (var (_, contender, _) in contenders) await contender.VerifyAsync();
        }
        finally
        {
            foreach (var (_, contender, _) in contenders) await contender.DisposeAsync();
        }

        var medians = Array.ConvertAll(contenders, each => MediansOf(each.Costs));
        return new CaseResult(measured, medians[0], medians[1..]);
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
        return new Cost(turn.PerSecond, (double)bytes / turn.Count, cpu / turn.Count, redisCpu / turn.Count, turn.Doubt);
    }

    private static Medians MediansOf(IReadOnlyList<Cost> costs) => new(
        Median(costs, cost => cost.PerSecond),
        Median(costs, cost => cost.Bytes),
        TimeSpan.FromTicks((long)Median(costs, cost => cost.Cpu.Ticks)),
        TimeSpan.FromTicks((long)Median(costs, cost => cost.RedisCpu.Ticks)),
        [.. costs.Select(cost => cost.Doubt).OfType<string>().Distinct()]);

    private static double Median(IReadOnlyList<Cost> costs, Func<Cost, double> figure)
    {
        var sorted = costs.Select(figure).Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private sealed record Cost(double PerSecond, double Bytes, TimeSpan Cpu, TimeSpan RedisCpu, string? Doubt);
}
