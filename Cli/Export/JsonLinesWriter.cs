using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Actors.Cli.Export;

/// <summary>One JSON object per line, as <see cref="Import.JsonUsers"/> reads it; absent values are omitted.</summary>
internal sealed class JsonLinesWriter : IUserWriter
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public bool NeedsSurvey => false;

    public void Survey(ExportedUser user)
    {
    }

    public void Begin(IBufferWriter<byte> output)
    {
    }

    public void Write(ExportedUser user, IBufferWriter<byte> output)
    {
        using (var json = new Utf8JsonWriter(output, Options))
        {
            json.WriteStartObject();
            json.WriteString("id", user.Id);
            if (user.DisplayName is not null) json.WriteString("displayName", user.DisplayName);
            if (user.Email is not null) json.WriteString("email", user.Email);
            if (user.Attributes.Count > 0)
            {
                json.WriteStartObject("attributes");
                foreach (var (name, value) in user.Attributes) json.WriteString(name, value);
                json.WriteEndObject();
            }
            if (user.Counters.Count > 0)
            {
                json.WriteStartObject("counters");
                foreach (var (name, value) in user.Counters) json.WriteNumber(name, value);
                json.WriteEndObject();
            }
            if (user.Tags.Count > 0)
            {
                json.WriteStartArray("tags");
                foreach (var tag in user.Tags) json.WriteStringValue(tag);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        output.Write("\n"u8);
    }
}
