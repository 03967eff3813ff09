namespace Actors.Cli.Commands;

/// <summary>Repeats a call that failed for a passing reason, a bounded number of times, waiting longer each time.</summary>
/// <param name="time">The clock.</param>
/// <param name="attempts">How often a call is made at most.</param>
/// <param name="overloadPatience">
/// How long a call that the cluster refuses because it is overloaded is repeated all the same, without that counting as an
/// attempt: it asks its callers to come back later, and bulk work can.
/// </param>
internal sealed class Retry(TimeProvider time, int attempts = 8, TimeSpan overloadPatience = default)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>Throws what the last attempt threw.</summary>
    public async Task<T> RunAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        var (began, refusals) = (time.GetTimestamp(), 0);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call();
            }
            catch (OverloadedException e) when (time.GetElapsedTime(began) < overloadPatience)
            {
                attempt--;
                var asked = e.RetryAfter > First ? e.RetryAfter : First;
                await Task.Delay(asked * Math.Min(++refusals, 4) * (0.5 + Random.Shared.NextDouble()), time, cancellationToken);
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
