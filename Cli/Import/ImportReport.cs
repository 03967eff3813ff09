using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>Reports skipped records and the result of an import.</summary>
internal sealed class ImportReport(Terminal terminal, string unit, bool isJson)
{
    private const int MostInJson = 100;

    private readonly List<SkippedLine> _skipped = [];

    /// <summary>Reports a skipped record. Thread-safe.</summary>
    public void Skip(long line, string reason)
    {
        terminal.Note($"{unit} {line}: {Text.Printable(reason)}");
        lock (_skipped)
        {
            if (_skipped.Count < MostInJson)
                _skipped.Add(new(line, reason));
        }
    }

    /// <summary>Prints the summary of a finished import.</summary>
    /// <returns>The exit code, which tells a script about skipped records.</returns>
    public int Summarize(ImportState state)
    {
        if (isJson)
            terminal.WriteJson(new { state.Imported, state.Skipped, FirstSkipped = _skipped.OrderBy(s => s.Line) });
        else
            terminal.WriteLine($"{Text.Of(state.Imported)} imported, {Text.Of(state.Skipped)} skipped");
        return state.Skipped == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private sealed record SkippedLine(long Line, string Reason);
}
