using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Embedded;

/// <summary>
/// The content of embedded.json, in which the hosting silo publishes its parts on this machine. Null for a part it does not
/// host.
/// </summary>
/// <param name="Pid">The id of the hosting process, for display. The lock shows whether it lives.</param>
/// <param name="Redis">The address of its Redis, e.g. 127.0.0.1:6380.</param>
/// <param name="Database">The absolute path of the SQLite file.</param>
internal sealed record EmbeddedAddress(
    [property: JsonPropertyName("pid")] int Pid,
    [property: JsonPropertyName("redis")] string? Redis,
    [property: JsonPropertyName("database")] string? Database)
{
    [JsonIgnore]
    public EmbeddedParts Parts =>
        (Redis is null ? EmbeddedParts.None : EmbeddedParts.Redis) | (Database is null ? EmbeddedParts.None : EmbeddedParts.Database);

    /// <summary>Reads the address in <paramref name="path"/>; null if there is none.</summary>
    public static EmbeddedAddress? TryRead(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), EmbeddedJson.Default.EmbeddedAddress);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes the file atomically: a reader finds all of it or nothing.</summary>
    public void Write(string path)
    {
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, EmbeddedJson.Default.EmbeddedAddress));
        File.Move(temporary, path, overwrite: true);
    }
}

[JsonSerializable(typeof(EmbeddedAddress))]
internal sealed partial class EmbeddedJson : JsonSerializerContext;
