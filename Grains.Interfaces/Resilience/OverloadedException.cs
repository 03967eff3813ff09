namespace Actors;

/// <summary>
/// The silo holds as much as it may (unflushed data, users or limiters in memory), so the call was refused before anything
/// changed. Repeat it after <see cref="RetryAfter"/>.
/// </summary>
[GenerateSerializer, Alias("Actors.OverloadedException")]
public sealed class OverloadedException(string message, TimeSpan retryAfter) : ActorsException(message)
{
    /// <summary>How long to wait before trying again, at least.</summary>
    [Id(0)] public TimeSpan RetryAfter { get; } = retryAfter;
}
