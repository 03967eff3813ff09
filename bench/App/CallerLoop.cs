using System.Diagnostics;

namespace Actors.Bench.App;

/// <summary>
/// The callers in the app: each calls again as soon as it gets an answer. The loop takes one timestamp per call and allocates
/// nothing; what it costs by itself is measured by <see cref="Works.EmptyLoop"/>.
/// </summary>
internal static class CallerLoop
{
    public static async Task<AppTurn> RunAsync<TAnswer>(AppWork<TAnswer> work, int callers, TimeSpan duration)
    {
        var each = Enumerable.Range(0, callers).Select(_ => new Caller<TAnswer>(work)).ToArray();
        var tasks = new Task[callers];
        GC.Collect();

        var bytes = GC.GetTotalAllocatedBytes();
        var cpu = Environment.CpuUsage.TotalTime;
        var began = Stopwatch.GetTimestamp();
        var until = began + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        for (var i = 0; i < callers; i++)
        {
            var caller = each[i];
            tasks[i] = Task.Run(() => caller.RunAsync(until));
        }

        await Task.WhenAll(tasks);
        var elapsed = Stopwatch.GetElapsedTime(began);
        cpu = Environment.CpuUsage.TotalTime - cpu;
        bytes = GC.GetTotalAllocatedBytes() - bytes;

        var latencies = new LatencyHistogram();
        foreach (var caller in each) latencies.Add(caller.Latencies);
        return new(
            latencies.Count, each.Sum(caller => caller.Unexpected), elapsed, cpu, bytes,
            Duration(latencies.Percentile(0.5)), Duration(latencies.Percentile(0.99)));
    }

    private static TimeSpan Duration(double ticks) => TimeSpan.FromSeconds(ticks / Stopwatch.Frequency);

    /// <summary>One caller. Only its own loop uses it until the turn has ended.</summary>
    private sealed class Caller<TAnswer>(AppWork<TAnswer> work)
    {
        private readonly Random _random = new();

        public LatencyHistogram Latencies { get; } = new();

        public long Unexpected { get; private set; }

        public async Task RunAsync(long until)
        {
            for (var began = Stopwatch.GetTimestamp(); began < until;)
            {
                if (!work.IsExpected(await work.CallAsync(_random))) Unexpected++;
                var ended = Stopwatch.GetTimestamp();
                Latencies.Record(ended - began);
                began = ended;
            }
        }
    }
}
