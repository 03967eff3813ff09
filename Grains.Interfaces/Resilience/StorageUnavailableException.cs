namespace Actors;

/// <summary>What is needed for the call cannot be reached in time; <see cref="Storage"/> says what.</summary>
[GenerateSerializer, Alias("Actors.StorageUnavailableException")]
public sealed class StorageUnavailableException(string storage, string message) : ActorsException(message)
{
    /// <summary>What is down: "Redis", "the database", or both.</summary>
    [Id(0)] public string Storage { get; } = storage;
}
