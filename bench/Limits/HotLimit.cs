namespace Actors.Bench.Limits;

/// <summary>The limit of the one client of limit.hot, the same for ours and the peer.</summary>
/// <param name="Name">The name of the client.</param>
/// <param name="IsAllowed">The expected answer: the window never fills, or is full from the start.</param>
internal sealed record HotLimit(string Name, bool IsAllowed)
{
    /// <summary>Calls made once on a long window and then counted.</summary>
    public const int CheckedCalls = 20_000;

    /// <summary>The number of concurrent checked calls.</summary>
    public const int CheckedCallers = 256;

    /// <summary>The window of the checked calls.</summary>
    public static RateLimitWindow Checked { get; } = new(100_000, TimeSpan.FromHours(1));

    // The longest window of the largest limit that never fills: no single machine makes five million calls per second.
    public RateLimitWindow Window => IsAllowed ? new(RateLimits.MaxLimit, TimeSpan.FromMilliseconds(200)) : new(100, TimeSpan.FromHours(1));

    /// <summary>256 by default: half as many as for writes, which wait longer.</summary>
    public static int CallersOf(Load load) => Math.Max(1, load.Callers / 2);

    /// <summary>Fills the window if all calls must be denied.</summary>
    public async Task FillAsync(Func<Task<bool>> acquire)
    {
        for (var i = 0; !IsAllowed && i < Window.Limit; i++)
        {
            if (!await acquire()) throw new InvalidOperationException($"Permit {i + 1} of {Window} was denied.");
        }
    }

    /// <exception cref="InvalidOperationException">The count differs from the grants.</exception>
    public static void VerifyChecked(long counted)
    {
        if (counted != CheckedCalls) throw new InvalidOperationException($"{CheckedCalls} permits were granted, but {counted} are counted.");
    }
}
