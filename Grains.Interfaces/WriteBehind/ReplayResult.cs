namespace Actors;

/// <summary>What became of parked rows that were to be written to the table.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ReplayResult")]
public sealed record ReplayResult
{
    /// <summary>Rows that are in the table now, and no longer parked.</summary>
    [Id(0)] public long Committed { get; init; }

    /// <summary>Rows that are no longer parked, since the table held the same or a later version.</summary>
    [Id(1)] public long Superseded { get; init; }

    /// <summary>Rows that the database refused again; they stay parked.</summary>
    [Id(2)] public long Refused { get; init; }

    /// <summary>Keys that were asked for and of which nothing was parked.</summary>
    [Id(3)] public long Missing { get; init; }

    /// <summary>The first 100 of those that were refused.</summary>
    [Id(4)] public RefusedReplay[] Refusals { get; init; } = [];
}

/// <summary>A parked row that the database refused again.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RefusedReplay")]
public sealed record RefusedReplay
{
    /// <summary>The key of the row: the user id.</summary>
    [Id(0)] public required string Key { get; init; }

    /// <summary>What the database said this time.</summary>
    [Id(1)] public required string Reason { get; init; }
}
