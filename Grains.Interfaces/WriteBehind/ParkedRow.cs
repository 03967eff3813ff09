namespace Actors;

/// <summary>A row whose content the database refused, kept beside the table.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ParkedRow")]
public sealed record ParkedRow
{
    /// <summary>The key of the row: the user id.</summary>
    [Id(0)] public required string Key { get; init; }

    /// <summary>The version that was refused.</summary>
    [Id(1)] public required long Version { get; init; }

    /// <summary>The database's message when it first refused the row.</summary>
    [Id(2)] public required string Reason { get; init; }

    /// <summary>When it was parked, by the clock of the database.</summary>
    [Id(3)] public required DateTimeOffset ParkedAt { get; init; }

    /// <summary>The size of the state in bytes.</summary>
    [Id(4)] public required long Bytes { get; init; }

    /// <summary>The state, for display. Invalid UTF-8 is replaced here, but not in the row.</summary>
    [Id(5)] public required string State { get; init; }
}

/// <summary>A page of parked rows.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ParkedPage")]
public sealed record ParkedPage
{
    /// <summary>The rows, by key in the database's order.</summary>
    [Id(0)] public required ParkedRow[] Rows { get; init; }

    /// <summary>The total number of parked rows.</summary>
    [Id(1)] public required long Total { get; init; }

    /// <summary>The key to continue after; null if there are no more rows.</summary>
    [Id(2)] public string? Next { get; init; }
}
