using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>How users stand in a file.</summary>
internal enum ImportFormat
{
    JsonLines,
    MultilineJson,
    Csv,
}

internal static class ImportFormats
{
    private const string Allowed = "allowed are jsonl and csv";

    /// <summary>The format asked for, else the one the file's extension names; of JSON the first character says which.</summary>
    /// <exception cref="UsageException">Neither names one.</exception>
    public static ImportFormat Of(string? asked, string file)
    {
        if (asked is not null)
            return Named(asked) ?? throw new UsageException($"--format '{Text.Short(asked)}': {Allowed}");
        return Named(ExtensionOf(file))
            ?? throw new UsageException(file == "-"
                ? $"nothing says the format of standard input; name it with --format, {Allowed}"
                : $"the extension of '{Text.Short(file)}' does not say its format; name it with --format, {Allowed}");
    }

    /// <summary>As the text that begins like this has it.</summary>
    public static ImportFormat With(this ImportFormat format, ReadOnlySpan<byte> begins)
    {
        if (begins.StartsWith(LineReader.ByteOrderMark)) begins = begins[LineReader.ByteOrderMark.Length..];
        begins = begins.TrimStart(" \t\r\n"u8);
        return format == ImportFormat.JsonLines && (begins is [(byte)'[', ..] || IsLaidOut(begins)) ? ImportFormat.MultilineJson : format;
    }

    /// <summary>
    /// True if an object begins that goes on in the next line. A first line that is only cut off is not one: the next would
    /// begin with another object.
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

    /// <summary>The unit in which records are counted: an array may stand on a single line.</summary>
    public static string Unit(this ImportFormat format) => format == ImportFormat.MultilineJson ? "record" : "line";

    /// <summary>Without the dot, and without that of a compression.</summary>
    public static string ExtensionOf(string file)
    {
        var extension = Path.GetExtension(file).TrimStart('.');
        return IsGzip(extension) ? Path.GetExtension(Path.GetFileNameWithoutExtension(file)).TrimStart('.') : extension;
    }

    /// <summary>True if the name says that the file is compressed by gzip.</summary>
    public static bool IsGzip(string extension) => extension.ToUpperInvariant() is "GZ" or "GZIP";

    private static ImportFormat? Named(string name) => name.ToUpperInvariant() switch
    {
        "JSONL" or "NDJSON" or "JSON" => ImportFormat.JsonLines,
        "CSV" => ImportFormat.Csv,
        _ => null,
    };
}
