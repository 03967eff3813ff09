using System.Text.Json.Serialization;

namespace Actors;

/// <summary>Where a write is safe. Each level includes the ones below it.</summary>
[GenerateSerializer, Alias("Actors.Durability"), JsonConverter(typeof(JsonStringEnumConverter<Durability>))]
public enum Durability
{
    /// <summary>In the memory of the silo; the rest follows, and nothing of it is waited for: lost if the silo is killed just then.</summary>
    Memory = 0,

    /// <summary>In the journal in Redis as well: survives any one failure. The default.</summary>
    Journal = 1,

    /// <summary>Committed by the database.</summary>
    Database = 2,
}
