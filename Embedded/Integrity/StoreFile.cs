using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Embedded.Integrity;

/// <summary>The parts that a data directory contains, in store.json. It reveals that a part is missing completely.</summary>
/// <param name="Format">The format of the directory.</param>
/// <param name="HasRedis">True once the directory contained Redis data.</param>
/// <param name="HasDatabase">True once the directory contained a database.</param>
internal sealed record StoreFile(
    [property: JsonPropertyName("format")] int Format,
    [property: JsonPropertyName("redis")] bool HasRedis,
    [property: JsonPropertyName("database")] bool HasDatabase)
{
    /// <summary>The format of this version. Later formats may be incompatible.</summary>
    public const int Known = 1;

    /// <summary>Reads <paramref name="path"/>. Null if it cannot be read, because its content is not essential.</summary>
    public static StoreFile? TryRead(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), StoreJson.Default.StoreFile);
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes the file atomically: a reader finds all of it or nothing.</summary>
    public void Write(string path)
    {
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, StoreJson.Default.StoreFile));
        File.Move(temporary, path, overwrite: true);
    }
}

[JsonSerializable(typeof(StoreFile))]
internal sealed partial class StoreJson : JsonSerializerContext;
