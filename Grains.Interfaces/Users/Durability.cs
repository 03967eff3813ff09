using System.Text.Json.Serialization;

namespace Actors;

/// <summary>How durable a write is. Each level includes the lower ones.</summary>
[GenerateSerializer, Alias("Actors.Durability"), JsonConverter(typeof(JsonStringEnumConverter<Durability>))]
public enum Durability
{
    /// <summary>In the memory of the silo. Higher levels follow without a wait; the write is lost if the silo is killed before.</summary>
    Memory = 0,

    /// <summary>Also in the journal in Redis: survives any one failure. The default.</summary>
    Journal = 1,

    /// <summary>Committed by the database.</summary>
    Database = 2,
}
