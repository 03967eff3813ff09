using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Cli.Output;

/// <summary>Writes results as JSON: camelCase, enums by name, non-ASCII letters unescaped.</summary>
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
