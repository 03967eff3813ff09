using System.Collections.Concurrent;
using System.Diagnostics;
using Actors.Harness.Limits;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>Callers that always want more, and the ledger of what they were granted.</summary>
internal static class SmallLoad
{
    // About a millisecond: as soon as a permit is free somebody asks for it.
    private static readonly TimeSpan AfterDenial = TimeSpan.FromMilliseconds(1);

    /// <summary>Runs so many callers for each limiter; they stand for several clients' processes but have one clock.</summary>
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
