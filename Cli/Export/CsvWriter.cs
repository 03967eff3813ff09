using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Actors.Cli.Output;

namespace Actors.Cli.Export;

/// <summary>
/// Writes CSV that <see cref="Import.CsvUsers"/> reads: one column per attribute and counter. Data that a cell cannot hold is
/// JSON in the columns <c>attributes</c> and <c>counters</c>: empty values, names that a header cannot keep, and names beyond
/// the maximum number of columns.
/// </summary>
internal sealed class CsvWriter : IUserWriter
{
    /// <summary>The maximum number of attribute columns and of counter columns. It bounds the memory for their names.</summary>
    public const int MostColumns = 500;

    private const string AttributePrefix = "attr.";
    private const string CounterPrefix = "counter.";

    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    private readonly SortedSet<string> _attributes = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _counters = new(StringComparer.Ordinal);
    private bool _hasOtherAttributes;
    private bool _hasOtherCounters;

    public bool NeedsSurvey => true;

    public void Survey(ExportedUser user)
    {
        foreach (var (name, value) in user.Attributes)
            _hasOtherAttributes |= !Fits(AttributePrefix, name, _attributes) || value.Length == 0;
        foreach (var name in user.Counters.Keys)
            _hasOtherCounters |= !Fits(CounterPrefix, name, _counters);
    }

    public void Begin(IBufferWriter<byte> output)
    {
        var header = new Row(output);
        header.Add("id");
        header.Add("name");
        header.Add("email");
        header.Add("tags");
        foreach (var name in _attributes) header.Add(AttributePrefix + name);
        foreach (var name in _counters) header.Add(CounterPrefix + name);
        if (_hasOtherAttributes) header.Add("attributes");
        if (_hasOtherCounters) header.Add("counters");
        header.End();
    }

    public void Write(ExportedUser user, IBufferWriter<byte> output)
    {
        var row = new Row(output);
        row.Add(user.Id);
        row.Add(user.DisplayName);
        row.Add(user.Email);
        row.Add(Tags(user.Tags));
        foreach (var name in _attributes) row.Add(user.Attributes.GetValueOrDefault(name));
        foreach (var name in _counters)
            row.Add(user.Counters.TryGetValue(name, out var value) ? value.ToString(CultureInfo.InvariantCulture) : null);
        if (_hasOtherAttributes)
            row.Add(Others(user.Attributes, attribute => attribute.Value.Length == 0 || !_attributes.Contains(attribute.Key)));
        if (_hasOtherCounters)
            row.Add(Others(user.Counters, counter => !_counters.Contains(counter.Key)));
        row.End();
    }

    // Import trims the names of columns.
    private static bool Fits(string prefix, string name, SortedSet<string> columns)
    {
        if (columns.Contains(name)) return true;
        if (columns.Count >= MostColumns || (prefix + name).Trim().Length != prefix.Length + name.Length) return false;
        columns.Add(name);
        return true;
    }

    private static string Tags(List<string> tags)
    {
        if (tags.Count == 0) return "";
        var isPlain = tags[0] is not ['[', ..] && tags.TrueForAll(tag =>
            !tag.Contains(';', StringComparison.Ordinal) && tag.Length > 0 && tag.Trim().Length == tag.Length);
        return isPlain ? string.Join(';', tags) : JsonSerializer.Serialize(tags, Json.Line);
    }

    private static string? Others<T>(Dictionary<string, T> all, Func<KeyValuePair<string, T>, bool> isOther)
    {
        var others = all.Where(isOther).ToDictionary();
        return others.Count == 0 ? null : JsonSerializer.Serialize(others, Json.Line);
    }

    /// <summary>A record being written.</summary>
    private ref struct Row(IBufferWriter<byte> output)
    {
        private bool _hasCells;

        public void Add(string? cell)
        {
            if (_hasCells) output.Write(","u8);
            _hasCells = true;
            if (string.IsNullOrEmpty(cell)) return;
            var isPlain = !cell.AsSpan().ContainsAny(Special) && cell.Trim().Length == cell.Length;
            Encoding.UTF8.GetBytes(isPlain ? cell : $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", output);
        }

        public readonly void End() => output.Write("\n"u8);
    }
}
