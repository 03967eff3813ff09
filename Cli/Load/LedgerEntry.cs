using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>One acknowledged write: a line <c>{"id","version","durability","state"}</c> of a ledger.</summary>
/// <param name="Id">The user.</param>
/// <param name="Version">The version the write made.</param>
/// <param name="Durability">What the receipt says was reached.</param>
/// <param name="State">What must hold of the user at that version, as a JSON object of UTF-8.</param>
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

    /// <exception cref="FormatException">The line is not a ledger entry; the message says why.</exception>
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
        _ => throw new FormatException($"its durability is '{name}'; allowed are memory, journal and database"),
    };

    private static byte[] ParseState(JsonElement state) => state.ValueKind == JsonValueKind.Object
        ? JsonSerializer.SerializeToUtf8Bytes(state)
        : throw new FormatException("its state is not an object");
}
