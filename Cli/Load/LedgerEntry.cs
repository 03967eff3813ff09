using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>One acknowledged write: the ledger line <c>{"id","version","durability","state"}</c>.</summary>
/// <param name="Id">The user.</param>
/// <param name="Version">The version that the write created.</param>
/// <param name="Durability">The durability that the receipt confirms.</param>
/// <param name="State">The required state of the user at that version, as a UTF-8 JSON object.</param>
internal readonly record struct LedgerEntry(string Id, long Version, Durability Durability, ReadOnlyMemory<byte> State) : ILedgerLine
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        json.WriteNumber("version", Version);
        json.WriteString("durability", Output.Text.Of(Durability));
        json.WritePropertyName("state");
        json.WriteRawValue(State.Span);
        json.WriteEndObject();
    }

    /// <exception cref="FormatException">The line is not a ledger entry; the message has the reason.</exception>
    public static LedgerEntry Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, Strict);
            var entry = document.RootElement;
            return new(
                entry.GetProperty("id").GetString() ?? throw new FormatException("id is null"),
                entry.GetProperty("version").GetInt64(),
                ParseDurability(entry.GetProperty("durability").GetString()),
                ParseState(entry.GetProperty("state")));
        }
        catch (KeyNotFoundException)
        {
            throw new FormatException("one of id, version, durability and state is missing");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException("it is not a ledger entry {\"id\",\"version\",\"durability\",\"state\"}", e);
        }
    }

    private static Durability ParseDurability(string? name) => name switch
    {
        "memory" => Durability.Memory,
        "journal" => Durability.Journal,
        "database" => Durability.Database,
        _ => throw new FormatException($"its durability is '{name}'; use memory, journal or database"),
    };

    private static byte[] ParseState(JsonElement state) => state.ValueKind == JsonValueKind.Object
        ? JsonSerializer.SerializeToUtf8Bytes(state)
        : throw new FormatException("its state is not an object");
}
