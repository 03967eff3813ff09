namespace Actors;

/// <summary>
/// The silo has reached a limit (unflushed data, users or limiters in memory), so the call was refused before anything changed.
/// Retry after <see cref="RetryAfter"/>.
/// </summary>
[GenerateSerializer, Alias("Actors.OverloadedException")]
public sealed class OverloadedException(string message, TimeSpan retryAfter) : ActorsException(message)
{
    /// <summary>The minimum time to wait before a retry.</summary>
    [Id(0)] public TimeSpan RetryAfter { get; } = retryAfter;
}
