namespace Actors;

/// <summary>A silo that was declared dead. Calls that it had are not answered any more.</summary>
[GenerateSerializer, Immutable, Alias("Actors.SiloDeath")]
public sealed record SiloDeath
{
    /// <summary>The silo's address.</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>How long ago the silo that answers learned of it.</summary>
    [Id(1)] public required TimeSpan Ago { get; init; }
}
