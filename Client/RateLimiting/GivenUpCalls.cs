namespace Actors;

/// <summary>Waiting for a call no longer than so long.</summary>
internal static class GivenUpCalls
{
    /// <summary>The answer of a call. Whatever becomes of one that is given up is of no interest any more.</summary>
    /// <exception cref="TimeoutException">There was none in time.</exception>
    public static async Task<T> WithinAsync<T>(
        this Task<T> call, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken = default)
    {
        try
        {
            return await call.WaitAsync(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!call.IsCompleted)
            {
                _ = call.ContinueWith(
                    static lost => _ = lost.Exception, CancellationToken.None,
                    TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }
}
