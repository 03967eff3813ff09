namespace Actors.Bench.Growth;

/// <summary>The cost of clients with full windows, with one call per permit.</summary>
/// <param name="Limit">The permits of the window.</param>
/// <param name="Clients">The number of clients that have used all permits.</param>
/// <param name="Full">Bytes per client while the window is full.</param>
/// <param name="Over">Bytes per client after the window has passed.</param>
/// <param name="Gone">Bytes per client after the silo has also deactivated them.</param>
internal sealed record LimitGrowthStep(int Limit, int Clients, BytesEach Full, BytesEach Over, BytesEach Gone);

/// <summary>Memory per client.</summary>
/// <param name="Silo">Of the silo.</param>
/// <param name="Redis">Of Redis.</param>
internal readonly record struct BytesEach(double Silo, double Redis);

/// <summary>Measures how the cost of limited clients grows with their limits, and how much of it remains.</summary>
internal static class LimitGrowth
{
    private const string Policy = "growth";
    private const int CallersAtOnce = 256;
    // A log outlives its window by up to ten seconds; then Redis must find it.
    private static readonly TimeSpan UntilExpired = TimeSpan.FromSeconds(13);

    // The window must be longer than the time to fill it. Each client makes its calls sequentially, because each must have its
    // own time.
    private static readonly (int Limit, int Clients, TimeSpan Window)[] Steps =
    [
        (100, 1_000, TimeSpan.FromSeconds(30)),
        (10_000, 100, TimeSpan.FromSeconds(90)),
    ];

    public static async Task<IReadOnlyList<LimitGrowthStep>> RunAsync(ProgressLine progress, CancellationToken cancellationToken)
    {
        var steps = new List<LimitGrowthStep>();
        foreach (var (limit, clients, window) in Steps)
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress.Tell($"growth: {clients:N0} clients with {limit:N0} permits used");
            steps.Add(await MeasureAsync(limit, clients, window, cancellationToken));
        }

        return steps;
    }

    private static async Task<LimitGrowthStep> MeasureAsync(int limit, int clients, TimeSpan window, CancellationToken cancellationToken)
    {
        await using var servers = await BenchServers.StartAsync();
        await using var silo = await BenchSilo.StartOursAsync(
            servers, await servers.CreateDatabaseAsync(), BenchSilo.Policy(Policy, new(limit, window)));

        // One-time costs of the first clients.
        await FillAsync(silo, "first", clients, calls: 1);
        await silo.DeactivateAllAsync();
        await Task.Delay(window + UntilExpired, cancellationToken);

        var before = await MemoryAsync(servers);
        var began = TimeProvider.System.GetTimestamp();
        await FillAsync(silo, "client", clients, limit);
        var full = await EachAsync();
        if (TimeProvider.System.GetElapsedTime(began) > window)
            throw new InvalidOperationException($"Filling took longer than the window of {window}, so it is no longer full.");

        await Task.Delay(window + UntilExpired, cancellationToken);
        var over = await EachAsync();
        await silo.DeactivateAllAsync();
        await Task.Delay(UntilExpired, cancellationToken);
        return new(limit, clients, full, over, await EachAsync());

        async Task<BytesEach> EachAsync()
        {
            var (siloBytes, redisBytes) = await MemoryAsync(servers);
            return new((siloBytes - before.Silo) / clients, (redisBytes - before.Redis) / clients);
        }
    }

    private static Task FillAsync(BenchSilo silo, string name, int clients, int calls)
    {
        var request = new RateLimitRequest { Policy = Policy };
        return Callers.EachAsync(CallersAtOnce, clients, async i =>
        {
            var client = silo.Grains.GetGrain<IRateLimiterGrain>($"{name}-{i:D6}");
            for (var call = 1; call <= calls; call++)
            {
                if (!(await client.AcquireAsync(request)).IsAllowed) throw new InvalidOperationException($"Permit {call} of {calls} was denied.");
            }
        });
    }

    private static async Task<BytesEach> MemoryAsync(BenchServers servers) =>
        new(GC.GetTotalMemory(forceFullCollection: true), await servers.RedisMemoryAsync());
}
