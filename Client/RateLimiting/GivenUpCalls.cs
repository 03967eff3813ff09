namespace Actors;

/// <summary>Limits how long to wait for a call.</summary>
internal static class GivenUpCalls
{
    /// <summary>Returns the answer of a call. The outcome of an abandoned call is ignored.</summary>
    /// <exception cref="TimeoutException">There was no answer in time.</exception>
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
