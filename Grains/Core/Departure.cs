namespace Actors.Core;

/// <summary>
/// How long calls may go on waiting in a grain whose activation is to end: a little while, so that what is about to be done
/// still is; then they give way to the calls that are queued for the next activation (<see cref="HeldCalls"/>).
/// </summary>
internal sealed class Departure : IDisposable
{
    /// <summary>How long a call may still wait.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // Made by the first call that waits, in a turn of the grain; read by the thread that begins the departure. Each writes
    // its own field and then reads the other's, so at least one of the two sees both.
    private CancellationTokenSource? _source;
    private int _hasBegun;

    /// <summary>The activation is to end. Any thread.</summary>
    public void Begin()
    {
        Interlocked.Exchange(ref _hasBegun, 1);
        Volatile.Read(ref _source)?.CancelAfter(Grace);
    }

    /// <summary>Waits for <paramref name="task"/>, for no longer than the activation may stay. For turns of the grain only.</summary>
    /// <param name="task">What is waited for; it goes on whatever becomes of the wait.</param>
    /// <param name="refusal">Makes the error of a call that gives way.</param>
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
