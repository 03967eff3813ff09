using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Embedded.Integrity;

/// <summary>What a data directory holds, in store.json: so that a part that is gone as a whole is missed.</summary>
/// <param name="Format">The format of the directory.</param>
/// <param name="HasRedis">True once it held the data of Redis.</param>
/// <param name="HasDatabase">True once it held a database.</param>
internal sealed record StoreFile(
    [property: JsonPropertyName("format")] int Format,
    [property: JsonPropertyName("redis")] bool HasRedis,
    [property: JsonPropertyName("database")] bool HasDatabase)
{
    /// <summary>The format of this version. A later one may mean what this one does not know.</summary>
    public const int Known = 1;

    /// <summary>What stands in <paramref name="path"/>. Null if it cannot be read: it says nothing that is not found otherwise.</summary>
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

    /// <summary>Writes it so that a reader finds all of it or nothing.</summary>
    public void Write(string path)
    {
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, StoreJson.Default.StoreFile));
        File.Move(temporary, path, overwrite: true);
    }
}

[JsonSerializable(typeof(StoreFile))]
internal sealed partial class StoreJson : JsonSerializerContext;
