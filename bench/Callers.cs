using System.Diagnostics;

namespace Actors.Bench;

/// <summary>Concurrent callers in a closed loop: each calls again as soon as it gets an answer.</summary>
internal static class Callers
{
    /// <summary>Calls for <paramref name="duration"/>, then waits for calls in flight; count and time include them.</summary>
    public static async Task<Turn> RunAsync(
        int callers, TimeSpan duration, Func<Random, Task> call, CancellationToken cancellationToken)
    {
        var counts = new long[callers];
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(
            async () =>
            {
                var random = new Random(caller);
                var count = 0L;
                for (; clock.Elapsed < duration; count++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await call(random);
                }

                counts[caller] = count;
            },
            cancellationToken)));
        return new Turn(counts.Sum(), clock.Elapsed);
    }

    /// <summary>Makes each of <paramref name="count"/> calls once.</summary>
    public static Task EachAsync(int callers, int count, Func<int, Task> call) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = callers }, async (i, _) => await call(i));
}
