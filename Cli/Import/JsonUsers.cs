using System.Text.Json;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>
/// Users as JSON lines: <c>{"id","displayName" or "name","email","attributes":{},"counters":{},"tags":[]}</c>. Blank lines are
/// skipped.
/// </summary>
internal static class JsonUsers
{
    private const string Allowed = "id, displayName (or name), email, attributes, counters, tags";

    // One of two equal names would be dropped silently.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 8 };

    public static async IAsyncEnumerable<ImportRecord> ReadAsync(IAsyncEnumerable<FileLine> lines)
    {
        await foreach (var line in lines)
        {
            if (line.Bytes is null)
                yield return ImportRecord.Bad(line.Number, $"the line is longer than {Text.Bytes(LineReader.MaxBytes)}");
            else if (line.Bytes.AsSpan().Trim(" \t\r\n"u8).Length > 0)
                yield return Parse(line.Number, line.Bytes);
        }
    }

    public static ImportRecord Parse(long line, ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return Read(line, document.RootElement);
        }
        catch (BadRecordException e)
        {
            return ImportRecord.Bad(line, e.Message);
        }
        catch (JsonException e)
        {
            return ImportRecord.Bad(line, $"not JSON: {WithoutPosition(e.Message)}");
        }
        catch (InvalidOperationException)
        {
            // GetString throws this for invalid UTF-8 and for unpaired surrogates.
            return ImportRecord.Bad(line, "contains text that is not valid UTF-8");
        }
    }

    /// <summary>Parses a cell that holds an object of attributes.</summary>
    /// <exception cref="BadRecordException">The cell holds something else.</exception>
    public static Dictionary<string, string?> Attributes(string json) => Cell(json, "attributes", Attributes) ?? [];

    /// <summary>Parses a cell that holds an object of counters.</summary>
    /// <exception cref="BadRecordException">The cell holds something else.</exception>
    public static Dictionary<string, long> Counters(string json) => Cell(json, "counters", Counters) ?? [];

    /// <summary>Parses a cell that holds an array of tags; null if it holds something else.</summary>
    public static HashSet<string>? TryReadTags(string json)
    {
        try
        {
            return Cell(json, "tags", Tags);
        }
        catch (BadRecordException)
        {
            return null;
        }
    }

    private static T Cell<T>(string json, string name, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new BadRecordException($"{name} is not JSON: {WithoutPosition(e.Message)}");
        }
        catch (InvalidOperationException)
        {
            throw new BadRecordException($"{name} contains text that is not valid UTF-8");
        }
    }

    private static ImportRecord Read(long line, JsonElement user)
    {
        if (user.ValueKind != JsonValueKind.Object)
            throw new BadRecordException($"is {Kind(user)}; expected an object with {Allowed}");

        string? id = null;
        var patch = new UserPatch();
        foreach (var field in user.EnumerateObject())
        {
            switch (field.Name)
            {
                case "id":
                    id = String(field.Value, "id");
                    break;
                case "displayName" or "name" when patch.DisplayName is not null:
                    throw new BadRecordException("both displayName and name are given; use one");
                case "displayName" or "name":
                    patch = patch with { DisplayName = String(field.Value, field.Name) };
                    break;
                case "email":
                    patch = patch with { Email = String(field.Value, field.Name) };
                    break;
                case "attributes":
                    patch = patch with { Attributes = Attributes(field.Value) };
                    break;
                case "counters":
                    patch = patch with { Increment = Counters(field.Value) };
                    break;
                case "tags":
                    patch = patch with { AddTags = Tags(field.Value) };
                    break;
                default:
                    throw new BadRecordException($"unknown field '{Text.Short(field.Name)}'; fields are {Allowed}");
            }
        }
        return id is null
            ? throw new BadRecordException("has no id")
            : ImportRecord.Good(line, id, patch);
    }

    private static Dictionary<string, string?>? Attributes(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return null;
        Expect(value, JsonValueKind.Object, "attributes", "an object of strings");
        return value.EnumerateObject().ToDictionary(a => a.Name, a => String(a.Value, $"attributes.{a.Name}"));
    }

    private static Dictionary<string, long>? Counters(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return null;
        Expect(value, JsonValueKind.Object, "counters", "an object of whole numbers");
        var counters = new Dictionary<string, long>();
        foreach (var counter in value.EnumerateObject())
        {
            if (counter.Value.ValueKind != JsonValueKind.Number || !counter.Value.TryGetInt64(out var amount))
            {
                throw new BadRecordException($"counters.{Text.Short(counter.Name)} is {Text.Short(counter.Value.GetRawText())}; " +
                    "expected a 64-bit integer");
            }
            counters.Add(counter.Name, amount);
        }
        return counters;
    }

    private static HashSet<string>? Tags(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return null;
        Expect(value, JsonValueKind.Array, "tags", "an array of strings");
        return [.. value.EnumerateArray().Select(tag => String(tag, "a tag") ?? throw new BadRecordException("a tag is null"))];
    }

    /// <summary>A string, or null for a JSON null: "not given", but for an attribute "remove it".</summary>
    private static string? String(JsonElement value, string field)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return null;
        Expect(value, JsonValueKind.String, field, "a string");
        return value.GetString();
    }

    private static void Expect(JsonElement value, JsonValueKind kind, string field, string expected)
    {
        if (value.ValueKind != kind)
            throw new BadRecordException($"{Text.Short(field)} is {Kind(value)}; expected {expected}");
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    /// <summary>Removes the parser's position: it counts lines within the line, from 0, which would mislead.</summary>
    private static string WithoutPosition(string message)
    {
        var at = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return at < 0 ? message : message[..at];
    }
}
