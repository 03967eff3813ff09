using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>
/// Users as CSV with a header row, in any order: <c>id, name, email, tags</c> (separated by ;, or a JSON array), <c>attr.X</c>,
/// <c>counter.X</c>, and <c>attributes</c> and <c>counters</c> with JSON objects of further ones. An empty cell leaves its
/// value unchanged.
/// </summary>
internal static class CsvUsers
{
    private const string Allowed = "id, name, email, tags, attr.X, counter.X, attributes and counters";

    private enum Kind
    {
        Id,
        Name,
        Email,
        Tags,
        Attribute,
        Counter,
        Attributes,
        Counters,
    }

    /// <exception cref="UsageException">The header row has no id column, or an unknown one.</exception>
    public static async IAsyncEnumerable<ImportRecord> ReadAsync(IAsyncEnumerable<FileLine> lines)
    {
        Column[]? columns = null;
        await foreach (var record in CsvRecords.ReadAsync(lines))
        {
            if (columns is null)
                columns = ReadHeader(record);
            else
                yield return Read(record, columns);
        }
    }

    private static Column[] ReadHeader(CsvRecord header)
    {
        if (header.Fault is { } fault)
            throw new UsageException($"the header row (line {header.Line}) is invalid: {fault}");
        var columns = header.Fields.Select(Column.Parse).ToArray();
        if (columns.GroupBy(c => c).FirstOrDefault(same => same.Count() > 1) is { Key: var twice })
            throw new UsageException($"the header row (line {header.Line}) names '{Text.Short(twice.Name)}' twice");
        if (columns.All(c => c.Kind != Kind.Id))
            throw new UsageException($"the header row (line {header.Line}) has no column id; columns are {Allowed}");
        return columns;
    }

    private static ImportRecord Read(CsvRecord record, Column[] columns)
    {
        if (record.Fault is { } fault)
            return ImportRecord.Bad(record.Line, fault);
        if (record.Fields.Count != columns.Length)
        {
            return ImportRecord.Bad(record.Line,
                $"has {Text.Count(record.Fields.Count, "field")}, the header row has {columns.Length}");
        }

        try
        {
            var (id, patch) = Read(record.Fields, columns);
            return id.Length == 0 ? ImportRecord.Bad(record.Line, "has no id") : ImportRecord.Good(record.Line, id, patch);
        }
        catch (BadRecordException e)
        {
            return ImportRecord.Bad(record.Line, e.Message);
        }
    }

    /// <exception cref="BadRecordException">A cell is invalid.</exception>
    private static (string Id, UserPatch Patch) Read(IReadOnlyList<string> fields, Column[] columns)
    {
        var id = "";
        var patch = new UserPatch();
        for (var i = 0; i < columns.Length; i++)
        {
            var (kind, name) = columns[i];
            var value = fields[i];
            if (value.Length == 0)
                continue;
            switch (kind)
            {
                case Kind.Id:
                    id = value;
                    break;
                case Kind.Name:
                    patch = patch with { DisplayName = value };
                    break;
                case Kind.Email:
                    patch = patch with { Email = value };
                    break;
                case Kind.Tags:
                    patch = patch with { AddTags = Tags(value) };
                    break;
                case Kind.Attribute:
                    patch = patch with { Attributes = Merged(patch.Attributes, [new(name, (string?)value)], "attribute") };
                    break;
                case Kind.Attributes:
                    patch = patch with { Attributes = Merged(patch.Attributes, JsonUsers.Attributes(value), "attribute") };
                    break;
                case Kind.Counter when long.TryParse(
                    value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var amount):
                    patch = patch with { Increment = Merged(patch.Increment, [new(name, amount)], "counter") };
                    break;
                case Kind.Counter:
                    throw new BadRecordException(
                        $"counter.{Text.Short(name)} is '{Text.Short(value)}'; expected a 64-bit integer");
                case Kind.Counters:
                    patch = patch with { Increment = Merged(patch.Increment, JsonUsers.Counters(value), "counter") };
                    break;
            }
        }
        return (id, patch);
    }

    private static HashSet<string> Tags(string value) =>
        (value[0] == '[' ? JsonUsers.TryReadTags(value) : null)
        ?? [.. value.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    private static Dictionary<string, T> Merged<T>(
        Dictionary<string, T>? known, IEnumerable<KeyValuePair<string, T>> more, string what)
    {
        known ??= [];
        foreach (var (name, value) in more)
        {
            if (!known.TryAdd(name, value))
                throw new BadRecordException($"{what} '{Text.Short(name)}' is given twice");
        }
        return known;
    }

    private readonly record struct Column(Kind Kind, string Name)
    {
        public static Column Parse(string header) => header.Trim() switch
        {
            "id" => new(Kind.Id, "id"),
            "name" or "displayName" => new(Kind.Name, "name"),
            "email" => new(Kind.Email, "email"),
            "tags" => new(Kind.Tags, "tags"),
            "attributes" => new(Kind.Attributes, "attributes"),
            "counters" => new(Kind.Counters, "counters"),
            ['a', 't', 't', 'r', '.', _, ..] name => new(Kind.Attribute, name["attr.".Length..]),
            ['c', 'o', 'u', 'n', 't', 'e', 'r', '.', _, ..] name => new(Kind.Counter, name["counter.".Length..]),
            var unknown => throw new UsageException($"the header row names '{Text.Short(unknown)}'; columns are {Allowed}"),
        };
    }
}
