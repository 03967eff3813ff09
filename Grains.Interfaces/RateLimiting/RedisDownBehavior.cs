using System.Text.Json.Serialization;

namespace Actors;

/// <summary>The behavior of a limiter while Redis is unavailable.</summary>
[GenerateSerializer, Alias("Actors.RedisDownBehavior"), JsonConverter(typeof(JsonStringEnumConverter<RedisDownBehavior>))]
public enum RedisDownBehavior
{
    /// <summary>
    /// Applies the same limits from the silo's own copy of the log, exact for active clients, and writes its grants to Redis once
    /// Redis is back. The default.
    /// </summary>
    Local = 0,

    /// <summary>Grants everything; grants up to the limit are charged as with <see cref="Local"/>.</summary>
    Allow = 1,

    /// <summary>Denies everything.</summary>
    Deny = 2,
}
