namespace Actors.Bench.App.Works;

/// <summary>No call at all: what remains is the cost of the load generator itself.</summary>
internal sealed class EmptyLoop : AppWork<int>
{
    public override Task PrepareAsync() => Task.CompletedTask;

    public override ValueTask<int> CallAsync(Random random) => new(0);

    public override bool IsExpected(int answer) => true;

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
