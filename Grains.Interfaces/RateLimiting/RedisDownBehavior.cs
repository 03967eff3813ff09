using System.Text.Json.Serialization;

namespace Actors;

/// <summary>What a limiter does while Redis is away.</summary>
[GenerateSerializer, Alias("Actors.RedisDownBehavior"), JsonConverter(typeof(JsonStringEnumConverter<RedisDownBehavior>))]
public enum RedisDownBehavior
{
    /// <summary>
    /// Goes on with the same limits from the silo's own copy of the log, exact for clients that are active, and writes back
    /// what it granted once Redis is there again. The default.
    /// </summary>
    Local = 0,

    /// <summary>Grants everything; up to the limit it is charged as with <see cref="Local"/>.</summary>
    Allow = 1,

    /// <summary>Denies everything.</summary>
    Deny = 2,
}
