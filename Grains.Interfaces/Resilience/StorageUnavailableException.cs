namespace Actors;

/// <summary>What is needed for the call cannot be reached in time; <see cref="Storage"/> says what.</summary>
[GenerateSerializer, Alias("Actors.StorageUnavailableException")]
public sealed class StorageUnavailableException(string storage, string message) : ActorsException(message)
{
    /// <summary>What is down: "Redis", "the database", or both.</summary>
    [Id(0)] public string Storage { get; } = storage;

    /// <summary>
    /// False if the call certainly changed nothing. True if what it asked for may have happened, or may happen later: repeat a
    /// write with the same <see cref="WriteOptions.RequestId"/>, and it counts once.
    /// </summary>
    [Id(1)] public bool MayHaveTakenEffect { get; init; }
}
