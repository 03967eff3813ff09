using System.Diagnostics;

namespace Actors.Bench.Breaker;

/// <summary>Calls that do nothing, sequentially on one thread, so that only the cost of the guard remains.</summary>
internal abstract class GuardedCalls : Contender
{
    private const int Batch = 10_000;

    public override Task PrepareAsync(Load load) => Task.CompletedTask;

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            var count = 0L;
            var clock = Stopwatch.StartNew();
            for (; clock.Elapsed < load.Duration; count += Batch)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Call(Batch) != Batch) throw new InvalidOperationException("The guard did not behave as the case expects.");
            }

            return new Turn(count, clock.Elapsed);
        },
        cancellationToken);

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes this many calls; returns how many had the expected result, allowed or refused.</summary>
    protected abstract int Call(int calls);
}
