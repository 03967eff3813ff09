namespace Actors;

/// <summary>
/// The silo holds as much unflushed data as it may, so the write was refused before anything changed. Repeat it after
/// <see cref="RetryAfter"/>.
/// </summary>
[GenerateSerializer, Alias("Actors.OverloadedException")]
public sealed class OverloadedException(string message, TimeSpan retryAfter) : ActorsException(message)
{
    /// <summary>How long to wait before trying again, at least.</summary>
    [Id(0)] public TimeSpan RetryAfter { get; } = retryAfter;
}
