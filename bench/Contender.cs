namespace Actors.Bench;

/// <summary>Ours or a peer: does the same work over and over, one turn at a time.</summary>
internal abstract class Contender : IAsyncDisposable
{
    /// <summary>Makes what the turns need; not measured.</summary>
    public abstract Task PrepareAsync(Load load);

    /// <summary>Comes before every turn; not measured.</summary>
    public virtual Task BeforeTurnAsync() => Task.CompletedTask;

    /// <summary>One turn. Only what it says to have taken is measured.</summary>
    public abstract Task<Turn> RunAsync(Load load, CancellationToken cancellationToken);

    /// <summary>Comes after every turn, and leaves nothing running beside the next contender; not measured.</summary>
    public virtual Task AfterTurnAsync() => Task.CompletedTask;

    /// <summary>Comes after the last turn: throws where what was counted has not happened.</summary>
    public virtual Task VerifyAsync() => Task.CompletedTask;

    public abstract ValueTask DisposeAsync();
}

/// <summary>What a turn came to.</summary>
/// <param name="Count">Writes, rows or calls done.</param>
/// <param name="Elapsed">The time they took.</param>
/// <param name="Doubt">What makes the figure questionable, or null.</param>
internal sealed record Turn(long Count, TimeSpan Elapsed, string? Doubt = null)
{
    public double PerSecond => Count / Elapsed.TotalSeconds;
}
