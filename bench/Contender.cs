using Actors.Bench.App;

namespace Actors.Bench;

/// <summary>Ours or a peer: repeats the same work, one turn at a time.</summary>
internal abstract class Contender : IAsyncDisposable
{
    /// <summary>Prepares the turns; not measured.</summary>
    public abstract Task PrepareAsync(Load load);

    /// <summary>Runs before every turn; not measured.</summary>
    public virtual Task BeforeTurnAsync() => Task.CompletedTask;

    /// <summary>Runs one turn. Only the time it reports is measured.</summary>
    public abstract Task<Turn> RunAsync(Load load, CancellationToken cancellationToken);

    /// <summary>Runs after every turn and leaves no work running beside the next contender; not measured.</summary>
    public virtual Task AfterTurnAsync() => Task.CompletedTask;

    /// <summary>Runs after the last turn; throws if the counted work did not happen.</summary>
    public virtual Task VerifyAsync() => Task.CompletedTask;

    public abstract ValueTask DisposeAsync();
}

/// <summary>The result of a turn.</summary>
/// <param name="Count">Writes, rows or calls done.</param>
/// <param name="Elapsed">The elapsed time.</param>
/// <param name="Doubt">A reason to doubt the figure, or null.</param>
internal sealed record Turn(long Count, TimeSpan Elapsed, string? Doubt = null)
{
    /// <summary>What was measured in other processes, for cases from an app; null if all work is in this one.</summary>
    public AppCost? App { get; init; }

    public double PerSecond => Count / Elapsed.TotalSeconds;
}
