using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Cli.Output;

/// <summary>How results are written as JSON: camelCase, enums by name, other alphabets as they are.</summary>
internal static class Json
{
    public static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The same on one line, for streams of values.</summary>
    public static readonly JsonSerializerOptions Line = new(Readable) { WriteIndented = false };
}
