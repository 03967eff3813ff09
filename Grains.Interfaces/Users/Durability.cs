namespace Actors;

/// <summary>Where a write is safe. Each level includes the ones below it.</summary>
[GenerateSerializer, Alias("Actors.Durability")]
public enum Durability
{
    /// <summary>In the memory of the silo only: lost if the silo is killed before the next flush.</summary>
    Memory = 0,

    /// <summary>In the journal in Redis as well: survives any one failure. The default.</summary>
    Journal = 1,

    /// <summary>Committed by the database.</summary>
    Database = 2,
}
