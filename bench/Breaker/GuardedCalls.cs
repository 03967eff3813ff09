using System.Diagnostics;

namespace Actors.Bench.Breaker;

/// <summary>Calls that do nothing, one after the other on one thread, so that what remains is the guard around them.</summary>
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
                if (Call(Batch) != Batch) throw new InvalidOperationException("The guard did not do what is measured here.");
            }

            return new Turn(count, clock.Elapsed);
        },
        cancellationToken);

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes so many calls; returns how many of them were let through, or refused, as is measured.</summary>
    protected abstract int Call(int calls);
}
