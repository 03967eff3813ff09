using System.Text.Json.Serialization;

namespace Actors;

/// <summary>
/// The backpressure of a silo, by the share of its ceiling on unflushed bytes that is in use. Ordered by how much it delays writers.
/// </summary>
[GenerateSerializer, Alias("Actors.WriteBehindState"), JsonConverter(typeof(JsonStringEnumConverter<WriteBehindState>))]
public enum WriteBehindState
{
    /// <summary>Less than half: rows wait to be coalesced, writers wait only for the journal.</summary>
    Buffering,

    /// <summary>From half on: rows are flushed at once, and each write is delayed, longer as more is in use.</summary>
    Slowing,

    /// <summary>
    /// From three quarters on, while the database accepts rows: a journaled write also waits up to a second for its commit, and its
    /// receipt states the durability reached.
    /// </summary>
    WritingThrough,

    /// <summary>At the ceiling: writes that do not fit are refused with <see cref="OverloadedException"/>.</summary>
    Refusing,
}
