using System.Text.Json.Serialization;

namespace Actors;

/// <summary>The source of a decision.</summary>
[GenerateSerializer, Alias("Actors.RateLimitSource"), JsonConverter(typeof(JsonStringEnumConverter<RateLimitSource>))]
public enum RateLimitSource
{
    /// <summary>The log of grants in Redis, or for a denial the silo's exact copy of it.</summary>
    Redis = 0,

    /// <summary>The silo alone, because Redis is unavailable: its copy of the log, and <see cref="RateLimitPolicy.OnRedisDown"/>.</summary>
    Local = 1,
}
