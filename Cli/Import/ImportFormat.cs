using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>The formats of import files.</summary>
internal enum ImportFormat
{
    JsonLines,
    MultilineJson,
    Csv,
}

internal static class ImportFormats
{
    private const string Allowed = "jsonl or csv";

    /// <summary>The requested format, or the format of the file extension. For JSON, the content selects the variant.</summary>
    /// <exception cref="UsageException">The format is not given and the extension does not determine it.</exception>
    public static ImportFormat Of(string? asked, string file)
    {
        if (asked is not null)
            return Named(asked) ?? throw new UsageException($"--format '{Text.Short(asked)}': use {Allowed}");
        return Named(ExtensionOf(file))
            ?? throw new UsageException(file == "-"
                ? $"the format of standard input is unknown; set --format to {Allowed}"
                : $"the extension of '{Text.Short(file)}' does not determine its format; set --format to {Allowed}");
    }

    /// <summary>Refines JSON to its multi-line variant if the text starts like it.</summary>
    public static ImportFormat With(this ImportFormat format, ReadOnlySpan<byte> begins)
    {
        if (begins.StartsWith(LineReader.ByteOrderMark)) begins = begins[LineReader.ByteOrderMark.Length..];
        begins = begins.TrimStart(" \t\r\n"u8);
        return format == ImportFormat.JsonLines && (begins is [(byte)'[', ..] || IsLaidOut(begins)) ? ImportFormat.MultilineJson : format;
    }

    /// <summary>
    /// True if the text starts with an object that continues on the next line. A truncated first line does not count, because
    /// its next line would start another object.
    /// </summary>
    private static bool IsLaidOut(ReadOnlySpan<byte> begins)
    {
        var end = begins.IndexOf((byte)'\n');
        return begins is [(byte)'{', ..] && end >= 0
            && begins[..end].TrimEnd(" \t\r"u8) is [.., (byte)'{' or (byte)',' or (byte)'[']
            && begins[end..].TrimStart(" \t\r\n"u8) is [(byte)'"' or (byte)'}' or (byte)']', ..];
    }

    public static IAsyncEnumerable<ImportRecord> ReadAsync(
        this ImportFormat format, Stream stream, CancellationToken cancellationToken) => format switch
        {
            ImportFormat.Csv => CsvUsers.ReadAsync(LineReader.ReadAsync(stream, cancellationToken)),
            ImportFormat.MultilineJson => MultilineJsonUsers.ReadAsync(stream, cancellationToken),
            _ => JsonUsers.ReadAsync(LineReader.ReadAsync(stream, cancellationToken)),
        };

    /// <summary>The unit of records: a whole array may be on a single line.</summary>
    public static string Unit(this ImportFormat format) => format == ImportFormat.MultilineJson ? "record" : "line";

    /// <summary>The extension without its dot and without a compression suffix.</summary>
    public static string ExtensionOf(string file)
    {
        var extension = Path.GetExtension(file).TrimStart('.');
        return IsGzip(extension) ? Path.GetExtension(Path.GetFileNameWithoutExtension(file)).TrimStart('.') : extension;
    }

    /// <summary>True if the extension means gzip.</summary>
    public static bool IsGzip(string extension) => extension.ToUpperInvariant() is "GZ" or "GZIP";

    private static ImportFormat? Named(string name) => name.ToUpperInvariant() switch
    {
        "JSONL" or "NDJSON" or "JSON" => ImportFormat.JsonLines,
        "CSV" => ImportFormat.Csv,
        _ => null,
    };
}
