using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>How users stand in a file.</summary>
internal enum ImportFormat
{
    JsonLines,
    Csv,
}

internal static class ImportFormats
{
    /// <summary>The format asked for, else the one the file's extension names.</summary>
    /// <exception cref="UsageException">Neither names one.</exception>
    public static ImportFormat Of(string? asked, string file)
    {
        const string Allowed = "allowed are jsonl and csv";
        if (asked is not null)
            return Named(asked) ?? throw new UsageException($"--format '{Text.Short(asked)}': {Allowed}");
        return Named(Path.GetExtension(file).TrimStart('.'))
            ?? throw new UsageException(
                $"the extension of '{Text.Short(file)}' does not say its format; name it with --format, {Allowed}");
    }

    public static IAsyncEnumerable<ImportRecord> ReadAsync(
        this ImportFormat format, Stream stream, CancellationToken cancellationToken)
    {
        var lines = LineReader.ReadAsync(stream, cancellationToken);
        return format == ImportFormat.Csv ? CsvUsers.ReadAsync(lines) : JsonUsers.ReadAsync(lines);
    }

    private static ImportFormat? Named(string name) => name.ToUpperInvariant() switch
    {
        "JSONL" or "NDJSON" or "JSON" => ImportFormat.JsonLines,
        "CSV" => ImportFormat.Csv,
        _ => null,
    };
}
