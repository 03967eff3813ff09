namespace Actors;

/// <summary>A silo that was declared dead. Its pending calls will not be answered.</summary>
[GenerateSerializer, Immutable, Alias("Actors.SiloDeath")]
public sealed record SiloDeath
{
    /// <summary>The silo's address.</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>How long ago the answering silo learned of the death.</summary>
    [Id(1)] public required TimeSpan Ago { get; init; }
}
