namespace Actors.RateLimiting;

/// <summary>The errors that callers of a limiter receive.</summary>
internal static class LimiterErrors
{
    private static readonly TimeSpan RetryWhenCrowded = TimeSpan.FromMilliseconds(500);

    public static InvalidRateLimitException TooMany(int permits, Windows windows) =>
        new($"Permits is {permits}; use 1 to {windows.SmallestLimit}, the smallest limit of policy '{windows.Policy.Name}'.");

    public static OverloadedException Crowded(LogCopy log, int most) => new(
        $"More than {most} calls of client {WellFormedText.Quote(log.Client)} under policy '{log.Policy.Name}' are queued.", RetryWhenCrowded);

    public static OverloadedException ManyForgotten() => new(
        $"{RateLimits.RememberedRequests} request ids of this client wait to be removed from Redis; no more are accepted until Redis is reachable.",
        LimiterRoom.RetryAfter);

    /// <summary>A waiting call must be repeated on the next activation.</summary>
    public static LimiterMovedException Moved() =>
        new("The limiter moves to another activation before the call's turn; nothing was charged. Repeat the call.");

    /// <summary>The log cannot be owned.</summary>
    public static StorageUnavailableException Contested(LogCopy log) =>
        new("Redis", $"the limiter of client {WellFormedText.Quote(log.Client)} keeps changing its owner");

    public static StorageUnavailableException Unavailable(string why) => new("Redis", why);
}
