namespace Actors.Bench.App;

/// <summary>The work of the callers in the app's process: a call to Actors, to a peer, or to the floor.</summary>
internal abstract class AppWork : IAsyncDisposable
{
    /// <summary>Prepares the turns; not measured.</summary>
    public abstract Task PrepareAsync();

    /// <summary>Runs one turn with this many callers.</summary>
    public abstract Task<AppTurn> RunAsync(int callers, TimeSpan duration);

    /// <summary>Runs after the last turn; throws if the counted work did not happen.</summary>
    public virtual Task VerifyAsync() => Task.CompletedTask;

    public abstract ValueTask DisposeAsync();
}

/// <summary>
/// A work whose calls have an answer. The call returns the task of the measured library as it is, because a state machine of our
/// own per call would be measured too.
/// </summary>
internal abstract class AppWork<TAnswer> : AppWork
{
    /// <summary>Makes one call. Called by all callers concurrently, each with its own random numbers.</summary>
    public abstract ValueTask<TAnswer> CallAsync(Random random);

    /// <summary>Whether the answer is the expected one; a turn with others is not counted.</summary>
    public abstract bool IsExpected(TAnswer answer);

    public override Task<AppTurn> RunAsync(int callers, TimeSpan duration) => CallerLoop.RunAsync(this, callers, duration);
}
