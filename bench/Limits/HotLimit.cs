namespace Actors.Bench.Limits;

/// <summary>The limit of the one client of limit.hot, the same for ours and the peer.</summary>
/// <param name="Name">Names the client.</param>
/// <param name="IsAllowed">What all answers are: the window never fills, or is full from the start.</param>
internal sealed record HotLimit(string Name, bool IsAllowed)
{
    /// <summary>Calls made once, on a window that outlasts them, and then looked for.</summary>
    public const int CheckedCalls = 20_000;

    /// <summary>How many of them at the same time.</summary>
    public const int CheckedCallers = 256;

    /// <summary>The window they are made on.</summary>
    public static RateLimitWindow Checked { get; } = new(100_000, TimeSpan.FromHours(1));

    // As long as a window of the largest limit may be without ever being full: no one machine makes five million calls a second.
    public RateLimitWindow Window => IsAllowed ? new(RateLimits.MaxLimit, TimeSpan.FromMilliseconds(200)) : new(100, TimeSpan.FromHours(1));

    /// <summary>256 unless told otherwise: half as many as for writes, which wait for more.</summary>
    public static int CallersOf(Load load) => Math.Max(1, load.Callers / 2);

    /// <summary>Fills the window where all calls are to be denied.</summary>
    public async Task FillAsync(Func<Task<bool>> acquire)
    {
        for (var i = 0; !IsAllowed && i < Window.Limit; i++)
        {
            if (!await acquire()) throw new InvalidOperationException($"Permit {i + 1} of {Window} was denied.");
        }
    }

    /// <exception cref="InvalidOperationException">What was granted is not what is counted.</exception>
    public static void VerifyChecked(long counted)
    {
        if (counted != CheckedCalls) throw new InvalidOperationException($"{CheckedCalls} permits were granted, and {counted} are counted.");
    }
}
