using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>Says what an import skipped and what it came to.</summary>
internal sealed class ImportReport(Terminal terminal, string unit, bool isJson)
{
    private const int MostInJson = 100;

    private readonly List<SkippedLine> _skipped = [];

    /// <summary>Reports a record that is skipped. Safe for concurrent use.</summary>
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
    /// <returns>The exit code: a skipped record is not to go unnoticed in a script.</returns>
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
