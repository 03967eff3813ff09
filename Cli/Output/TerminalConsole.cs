using System.Text;
using Spectre.Console;

namespace Actors.Cli.Output;

/// <summary>Draws tables on the terminal: in colour where it is one, as plain text where the output ends up elsewhere.</summary>
internal static class TerminalConsole
{
    public static IAnsiConsole Of(Terminal terminal) => AnsiConsole.Create(new()
    {
        Out = new TerminalOutput(terminal),
        Ansi = terminal.IsOutputInteractive ? AnsiSupport.Detect : AnsiSupport.No,
        Interactive = InteractionSupport.No,
    });

    private sealed class TerminalOutput(Terminal terminal) : IAnsiConsoleOutput
    {
        public TextWriter Writer => terminal.Output;

        public bool IsTerminal => terminal.IsOutputInteractive;

        public int Width => terminal.Width;

        public int Height => 100;

        public void SetEncoding(Encoding encoding)
        {
            // Set once, for the process.
        }
    }
}
