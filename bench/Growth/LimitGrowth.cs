namespace Actors.Bench.Growth;

/// <summary>What it costs to have clients with full windows, one call per permit.</summary>
/// <param name="Limit">Permits of the window.</param>
/// <param name="Clients">How many clients have used them all.</param>
/// <param name="Full">Bytes for each, while the window is full.</param>
/// <param name="Over">Bytes for each that stay once the window is over.</param>
/// <param name="Gone">Bytes for each that stay once the silo has deactivated them as well.</param>
internal sealed record LimitGrowthStep(int Limit, int Clients, BytesEach Full, BytesEach Over, BytesEach Gone);

/// <summary>Memory for each of many.</summary>
/// <param name="Silo">Of the silo.</param>
/// <param name="Redis">Of Redis.</param>
internal readonly record struct BytesEach(double Silo, double Redis);

/// <summary>How the cost of limited clients grows with their limits, and what of it stays.</summary>
internal static class LimitGrowth
{
    private const string Policy = "growth";
    private const int CallersAtOnce = 256;
    // A log outlives its window by ten seconds at most, and then has to be found.
    private static readonly TimeSpan UntilExpired = TimeSpan.FromSeconds(13);

    // A window outlasts the filling of it: one call after the other for each client, as each is to have a time of its own.
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

        // What the first clients bring with them, once and for all.
        await FillAsync(silo, "first", clients, calls: 1);
        await silo.DeactivateAllAsync();
        await Task.Delay(window + UntilExpired, cancellationToken);

        var before = await MemoryAsync(servers);
        var began = TimeProvider.System.GetTimestamp();
        await FillAsync(silo, "client", clients, limit);
        var full = await EachAsync();
        if (TimeProvider.System.GetElapsedTime(began) > window)
            throw new InvalidOperationException($"Filling took longer than the window of {window}: it is not full any more.");

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
