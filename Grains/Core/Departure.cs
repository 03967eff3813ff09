namespace Actors.Core;

/// <summary>
/// Limits how long calls wait inside a grain whose activation is about to deactivate. A short grace period lets nearly finished
/// work complete. After it the calls give way to those queued for the next activation (<see cref="HeldCalls"/>).
/// </summary>
internal sealed class Departure : IDisposable
{
    /// <summary>How long a call may still wait after the departure has begun.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // Created by the first waiting call, in a turn of the grain; read by the thread that begins the departure. Each side writes
    // its own field and then reads the other's, so at least one of them sees both.
    private CancellationTokenSource? _source;
    private int _hasBegun;

    /// <summary>True once the activation is about to deactivate.</summary>
    public bool HasBegun => Volatile.Read(ref _hasBegun) == 1;

    /// <summary>Starts the grace period because the activation is about to deactivate. Any thread may call it.</summary>
    public void Begin()
    {
        Interlocked.Exchange(ref _hasBegun, 1);
        Volatile.Read(ref _source)?.CancelAfter(Grace);
    }

    /// <summary>Waits for <paramref name="task"/>, but not beyond the grace period. Must be called in a turn of the grain.</summary>
    /// <param name="task">The task to wait for. It continues even if the wait ends early.</param>
    /// <param name="refusal">Creates the error for a call that gives way.</param>
    /// <param name="cancellationToken">Ends the wait for this caller.</param>
    public async Task WaitAsync(Task task, Func<Exception> refusal, CancellationToken cancellationToken)
    {
        if (task.IsCompleted)
        {
            await task;
            return;
        }

        var departing = Token();
        using var either = cancellationToken.CanBeCanceled
            ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, departing)
            : null;
        try
        {
            await task.WaitAsync(either?.Token ?? departing);
        }
        catch (OperationCanceledException) when (departing.IsCancellationRequested && !cancellationToken.IsCancellationRequested && !task.IsCompleted)
        {
            throw refusal();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _source?.Dispose();

    private CancellationToken Token()
    {
        if (_source is { } source) return source.Token;
        source = new CancellationTokenSource();
        Interlocked.Exchange(ref _source, source);
        if (Volatile.Read(ref _hasBegun) == 1) source.CancelAfter(Grace);
        return source.Token;
    }
}
