namespace Actors;

/// <summary>The result of an acknowledged write.</summary>
[GenerateSerializer, Immutable, Alias("Actors.WriteReceipt")]
public sealed record WriteReceipt
{
    /// <summary>The version of the user that this write made.</summary>
    [Id(0)] public required long Version { get; init; }

    /// <summary>
    /// The durability actually reached. It may be higher than requested: with Redis down, a journal write goes to the database.
    /// </summary>
    [Id(1)] public required Durability Durability { get; init; }
}
