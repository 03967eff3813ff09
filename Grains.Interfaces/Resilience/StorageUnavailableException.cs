namespace Actors;

/// <summary>A storage that the call needs could not be reached in time; <see cref="Storage"/> names it.</summary>
[GenerateSerializer, Alias("Actors.StorageUnavailableException")]
public sealed class StorageUnavailableException(string storage, string message) : ActorsException(message)
{
    /// <summary>The unavailable storage: "Redis", "the database", or both.</summary>
    [Id(0)] public string Storage { get; } = storage;

    /// <summary>
    /// False if the call certainly changed nothing. True if it may have taken effect, or may do so later: retry a write with the same
    /// <see cref="WriteOptions.RequestId"/>, and it counts once.
    /// </summary>
    [Id(1)] public bool MayHaveTakenEffect { get; init; }
}
