using System.Collections.Concurrent;
using System.Diagnostics;
using Actors.Harness.Limits;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>Callers with unlimited demand, and the ledger of their grants.</summary>
internal static class SmallLoad
{
    // About a millisecond, so that a free permit is requested at once.
    private static readonly TimeSpan AfterDenial = TimeSpan.FromMilliseconds(1);

    /// <summary>Runs this many callers for each limiter; they act as processes of several clients but share one clock.</summary>
    public static async Task<GrantLedger> RunAsync(IReadOnlyList<ISmallLimiter> limiters, TimeSpan duration, int callers = 8, int mostPermits = 1)
    {
        var grants = new ConcurrentQueue<Grant>();
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).SelectMany(_ => limiters).Select(limiter => Task.Run(async () =>
        {
            while (watch.Elapsed < duration)
            {
                var (permits, began) = (Random.Shared.Next(1, mostPermits + 1), watch.Elapsed.TotalSeconds);
                if (await limiter.TryAcquireAsync(permits) is { } at)
                    grants.Enqueue(new("c", "p", permits, at, "redis", began, watch.Elapsed.TotalSeconds));
                else
                    await Task.Delay(AfterDenial);
            }
        })));
        return new([.. grants]);
    }
}
