namespace Actors.RateLimiting;

/// <summary>
/// Runs the work of one limiter, one piece at a time: first the operations, in the order they came, then batches of calls.
/// While a script is in flight, operations and calls gather. It also writes back what Redis lacks, whenever that is needed.
/// </summary>
/// <remarks>
/// Used only by the turns of one grain. Only its work changes the log, and grants from the reserve do while it is not working.
/// So the log does not change while a script is in flight.
/// </remarks>
internal sealed class ExclusiveQueue(
    LogCopy log, PendingCalls calls, Decider decider, WriteBack writeBack, LimiterMemory memory, ILimiterHost host)
{
    private const int MaxOperations = 10_000;

    // At most MaxOperations. Each completes its caller's task, also with its failure.
    private readonly Queue<Func<Task>> _operations = [];
    private Task _writingBack = Task.CompletedTask;

    /// <summary>True while work is in progress.</summary>
    public bool IsWorking { get; private set; }

    /// <summary>Completes when the work in progress is done. It handles all failures.</summary>
    public Task Working { get; private set; } = Task.CompletedTask;

    /// <summary>Runs an operation while no script is in flight.</summary>
    /// <exception cref="OverloadedException">No further operation may queue.</exception>
    public Task<T> RunAsync<T>(Func<Task<T>> operation)
    {
        if (_operations.Count >= MaxOperations) throw LimiterErrors.Crowded(log, MaxOperations);
        var done = new TaskCompletionSource<T>();
        _operations.Enqueue(async () =>
        {
            try
            {
                done.SetResult(await operation());
            }
            catch (Exception error)
            {
                done.SetException(ToClientException(error));
            }
        });
        Work();
        return done.Task;
    }

    /// <summary>Looks for work: a call has arrived, the turn of one may have come, or its caller no longer waits.</summary>
    public void Work()
    {
        // One loop at a time. It ends when there is nothing to do.
        if (IsWorking) return;
        IsWorking = true;
        Working = WorkAsync();
    }

    private async Task WorkAsync()
    {
        while (true)
        {
            while (_operations.TryDequeue(out var operation)) await operation();
            if (writeBack.IsNeeded && _writingBack.IsCompleted) _writingBack = WriteBackAsync();
            if (_operations.Count > 0) continue;
            if (NextBatch() is { } batch)
            {
                try
                {
                    await decider.DecideAsync(batch);
                }
                catch (Exception error)
                {
                    calls.Fail(batch, ToClientException(error));
                }
            }
            else if (!calls.HasArrived && _operations.Count == 0)
            {
                break;
            }
        }

        IsWorking = false;
    }

    /// <summary>The calls to decide now; null if there are none.</summary>
    private List<Ticket>? NextBatch()
    {
        var batch = new List<Ticket>();
        try
        {
            calls.TakeDue(batch);
            if (batch.Count > 0) return batch;
            if (calls.Rest() is { } due) host.WakeAfter(log.Policy.Name, due);
            memory.Count();
        }
        catch (Exception error)
        {
            // The failure belongs to no batch, so it is reported to all callers.
            calls.FailAll(batch, ToClientException(error));
        }

        return null;
    }

    // Runs even if no call arrives. It handles all failures and ends when Redis has everything or the limiter closes.
    private async Task WriteBackAsync()
    {
        for (var isRetry = false; writeBack.IsNeeded; isRetry = true)
        {
            await writeBack.WhenDueAsync(isRetry);
            if (!writeBack.IsNeeded) return;
            try
            {
                await RunAsync(writeBack.TakeOverAndWriteAsync);
            }
            catch (Exception)
            {
                // Callers are told about this defect. The grants are written back once it is fixed.
            }
        }
    }

    /// <summary>
    /// Converts a failure for callers. Errors of this product pass through; any other is a defect, which is logged and
    /// replaced.
    /// </summary>
    private Exception ToClientException(Exception error)
    {
        if (error is ActorsException) return error;
        host.Failed(error);
        return LimiterErrors.Unavailable($"the limiter failed:{error.Message}");
    }
}
