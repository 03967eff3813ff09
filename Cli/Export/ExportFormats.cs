using Actors.Cli.Commands;
using Actors.Cli.Import;

namespace Actors.Cli.Export;

internal static class ExportFormats
{
    /// <summary>The requested format, or the format of the file extension. Standard output defaults to JSON lines.</summary>
    /// <exception cref="UsageException">The format is not given and the extension does not determine it.</exception>
    public static IUserWriter WriterOf(string? asked, string file) =>
        ImportFormats.Of(asked ?? (file == "-" ? "jsonl" : null), file) == ImportFormat.Csv ? new CsvWriter() : new JsonLinesWriter();
}
