namespace Actors;

/// <summary>The result of a replay of parked rows.</summary>
[GenerateSerializer, Immutable, Alias("Actors.ReplayResult")]
public sealed record ReplayResult
{
    /// <summary>Rows that were written to the table and are no longer parked.</summary>
    [Id(0)] public long Committed { get; init; }

    /// <summary>Rows that are no longer parked because the table held the same or a later version.</summary>
    [Id(1)] public long Superseded { get; init; }

    /// <summary>Rows that the database refused again; they stay parked.</summary>
    [Id(2)] public long Refused { get; init; }

    /// <summary>Requested keys without a parked row.</summary>
    [Id(3)] public long Missing { get; init; }

    /// <summary>The first 100 rows that were refused again.</summary>
    [Id(4)] public RefusedReplay[] Refusals { get; init; } = [];
}

/// <summary>A parked row that the database refused again.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RefusedReplay")]
public sealed record RefusedReplay
{
    /// <summary>The key of the row: the user id.</summary>
    [Id(0)] public required string Key { get; init; }

    /// <summary>The database's message for this attempt.</summary>
    [Id(1)] public required string Reason { get; init; }
}
