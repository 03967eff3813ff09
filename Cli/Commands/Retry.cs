namespace Actors.Cli.Commands;

/// <summary>Retries a call after transient failures, a bounded number of times and with increasing delays.</summary>
/// <param name="time">The clock.</param>
/// <param name="attempts">The maximum number of attempts.</param>
/// <param name="overloadPatience">
/// How long overload rejections are retried. They do not count as attempts, because an overloaded cluster asks callers to come
/// back later and bulk work can wait.
/// </param>
internal sealed class Retry(TimeProvider time, int attempts = 8, TimeSpan overloadPatience = default)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>Throws the failure of the last attempt.</summary>
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
        // Jitter spreads the retries of workers that were refused at the same time.
        return pause * (0.5 + Random.Shared.NextDouble());
    }
}
