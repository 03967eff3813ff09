using Actors.Cli.Commands;
using Actors.Cli.Import;

namespace Actors.Cli.Export;

internal static class ExportFormats
{
    /// <summary>The format asked for, else the one the file's extension names; of standard output JSON lines.</summary>
    /// <exception cref="UsageException">Neither names one.</exception>
    public static IUserWriter WriterOf(string? asked, string file) =>
        ImportFormats.Of(asked ?? (file == "-" ? "jsonl" : null), file) == ImportFormat.Csv ? new CsvWriter() : new JsonLinesWriter();
}
