using System.Text;
using Spectre.Console;

namespace Actors.Cli.Output;

/// <summary>Draws tables: in colour on a terminal, as plain text otherwise.</summary>
internal static class TerminalConsole
{
    public static IAnsiConsole Of(Terminal terminal) => AnsiConsole.Create(new()
    {
        Out = new TerminalOutput(terminal),
        Ansi = terminal.IsOutputInteractive ? AnsiSupport.Detect : AnsiSupport.No,
        Interactive = InteractionSupport.No,
    });

    /// <summary>True if standard error is a terminal that supports more than plain text.</summary>
    public static bool CanRedrawErrors(Terminal terminal) => terminal.IsErrorInteractive && AnsiConsole.Create(new()
    {
        Out = new AnsiConsoleOutput(terminal.ErrorOutput),
        Ansi = AnsiSupport.Detect,
    }).Profile.Capabilities.Ansi;

    /// <summary>Converts lines of markup to terminal output.</summary>
    public static IReadOnlyList<string> ToAnsi(IReadOnlyList<string> markup)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.Yes, Interactive = InteractionSupport.No });

        // Each line fits already.
        console.Profile.Width = int.MaxValue;
        foreach (var line in markup)
            console.MarkupLine(line);
        return text.ToString().TrimEnd('\n').Split('\n');
    }

    private sealed class TerminalOutput(Terminal terminal) : IAnsiConsoleOutput
    {
        public TextWriter Writer => terminal.Output;

        public bool IsTerminal => terminal.IsOutputInteractive;

        public int Width => terminal.Width;

        public int Height => terminal.Height;

        public void SetEncoding(Encoding encoding)
        {
            // Set once per process.
        }
    }
}
