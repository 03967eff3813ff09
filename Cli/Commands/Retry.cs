namespace Actors.Cli.Commands;

/// <summary>Repeats a call that failed for a passing reason, a bounded number of times, waiting longer each time.</summary>
internal sealed class Retry(TimeProvider time, int attempts = 8)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>Throws what the last attempt threw.</summary>
    public async Task<T> RunAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call();
            }
            catch (Exception e) when (attempt < attempts && Failure.IsTransient(e))
            {
                await Task.Delay(PauseAfter(attempt, e), time, cancellationToken);
            }
        }
    }

    private static TimeSpan PauseAfter(int attempt, Exception exception)
    {
        var pause = First * Math.Pow(2, attempt - 1);
        if (pause > Longest)
            pause = Longest;
        if (exception is OverloadedException { RetryAfter: var asked } && asked > pause)
            pause = asked < Longest * 2 ? asked : Longest * 2;
        // Jitter, so that hundreds of workers refused at once do not come back at once.
        return pause * (0.5 + Random.Shared.NextDouble());
    }
}
