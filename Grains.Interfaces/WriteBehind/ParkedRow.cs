namespace Actors;

/// <summary>A row that the database refused for what it holds, kept beside the table.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ParkedRow")]
public sealed record ParkedRow
{
    /// <summary>The key of the row: the user id.</summary>
    [Id(0)] public required string Key { get; init; }

    /// <summary>The version that was refused.</summary>
    [Id(1)] public required long Version { get; init; }

    /// <summary>What the database said when it refused it first.</summary>
    [Id(2)] public required string Reason { get; init; }

    /// <summary>When it was parked, by the clock of the database.</summary>
    [Id(3)] public required DateTimeOffset ParkedAt { get; init; }

    /// <summary>How many bytes the state has.</summary>
    [Id(4)] public required long Bytes { get; init; }

    /// <summary>The state, to be shown. What of it is no UTF-8 is replaced here, though not in the row.</summary>
    [Id(5)] public required string State { get; init; }
}

/// <summary>Some of the parked rows.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ParkedPage")]
public sealed record ParkedPage
{
    /// <summary>The rows, by key in the database's order.</summary>
    [Id(0)] public required ParkedRow[] Rows { get; init; }

    /// <summary>How many rows are parked in all.</summary>
    [Id(1)] public required long Total { get; init; }

    /// <summary>The key to ask on after; null where there are no more.</summary>
    [Id(2)] public string? Next { get; init; }
}
