using System.Diagnostics;
using Actors.Bench.Writes;
using Actors.WriteBehind;

namespace Actors.Bench.Growth;

/// <summary>The cost of users that are journaled and not yet in the database.</summary>
/// <param name="Users">The number of users.</param>
/// <param name="SiloBytes">Memory of the silo per user, including its state.</param>
/// <param name="RedisBytes">Memory of Redis per user, including its owner.</param>
/// <param name="WriteP50">The median duration of one more write to one of them.</param>
/// <param name="WriteP99">The 99th percentile of that duration.</param>
/// <param name="RowsPerSecond">The flush rate.</param>
/// <param name="BatchP99">The 99th percentile of the database's time per batch.</param>
internal sealed record GrowthStep(
    int Users, double SiloBytes, double RedisBytes, TimeSpan WriteP50, TimeSpan WriteP99, double RowsPerSecond, TimeSpan BatchP99);

/// <summary>
/// Measures how the cost of unflushed users grows with their number. Growth beyond linear indicates a defect.
/// </summary>
internal static class Growth
{
    private const int Probes = 20_000;
    private const int Probers = 64;

    private static readonly int[] Steps = [1_000, 100_000, 1_000_000];

    public static async Task<IReadOnlyList<GrowthStep>> RunAsync(ProgressLine progress, CancellationToken cancellationToken)
    {
        await using var servers = await BenchServers.StartAsync();
        var database = await servers.CreateDatabaseAsync();
        var steps = new List<GrowthStep>();

        // The first step is measured twice, because the first run compiles the code.
        foreach (var (users, isWarmUp) in Steps.Select(users => (users, false)).Prepend((Steps[0], true)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress.Tell($"growth: {users:N0} unflushed users");
            await BenchServers.TruncateUsersAsync(database);
            await servers.SettleAsync();
            var step = await MeasureAsync(servers, database, users, $"{servers.KeyPrefix}-growth-{users}-{isWarmUp}");
            if (!isWarmUp) steps.Add(step);
        }

        return steps;
    }

    private static async Task<GrowthStep> MeasureAsync(BenchServers servers, string database, int users, string keyPrefix)
    {
        await using var queue = new BenchQueue(servers.Redis, keyPrefix, database);
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        var redis = await servers.RedisMemoryAsync();
        var owners = await queue.JournalAsync(users, SampleUsers.Row);
        memory = GC.GetTotalMemory(forceFullCollection: true) - memory;
        redis = await servers.RedisMemoryAsync() - redis;

        var latencies = await ProbeAsync(queue, owners);
        var watch = Stopwatch.StartNew();
        await queue.DrainAsync();
        return new(
            users, (double)memory / users, (double)redis / users, latencies[latencies.Length / 2], latencies[latencies.Length * 99 / 100],
            users / watch.Elapsed.TotalSeconds, queue.Counters.FlushLatency.P99);
    }

    /// <summary>Writes to unflushed users; returns the sorted durations.</summary>
    private static async Task<TimeSpan[]> ProbeAsync(BenchQueue queue, Ownership[] owners)
    {
        var latencies = new TimeSpan[Probes];
        await Callers.EachAsync(Probers, Probes, async i =>
        {
            // Each user once while there are enough, because a probe is one write among many users.
            var user = i % owners.Length;
            var row = SampleUsers.Row(user);
            row = row with { Epoch = owners[user].Epoch, Version = row.Version + 1 + (i / owners.Length), MayBeCached = false };
            var started = Stopwatch.GetTimestamp();
            await queue.AppendAsync(row);
            latencies[i] = Stopwatch.GetElapsedTime(started);
        });
        Array.Sort(latencies);
        return latencies;
    }
}
