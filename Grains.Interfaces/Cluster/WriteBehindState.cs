using System.Text.Json.Serialization;

namespace Actors;

/// <summary>
/// What a silo does with writes, by how much of its ceiling on unflushed bytes is in use. The order is by how much it holds
/// writers back.
/// </summary>
[GenerateSerializer, Alias("Actors.WriteBehindState"), JsonConverter(typeof(JsonStringEnumConverter<WriteBehindState>))]
public enum WriteBehindState
{
    /// <summary>Less than half: rows wait to be coalesced with others, writers wait for nothing but the journal.</summary>
    Buffering,

    /// <summary>From half on: rows are flushed at once, and each write is held back first, the longer the more is in use.</summary>
    Slowing,

    /// <summary>
    /// From three quarters on, while the database takes rows: a journaled write waits for its commit too, up to a second,
    /// and its receipt says what it has reached.
    /// </summary>
    WritingThrough,

    /// <summary>At the ceiling: what does not fit any more is refused with <see cref="OverloadedException"/>.</summary>
    Refusing,
}
