using System.Text;
using System.Text.Json;

namespace Actors.Cli.Output;

/// <summary>
/// Writes results to standard output, and progress, notes and errors to standard error, so that results can be piped while
/// progress is shown. Thread-safe.
/// </summary>
internal sealed class Terminal(
    TextWriter output, TextWriter error, bool isOutputInteractive = false, bool isErrorInteractive = false, int width = 160,
    int height = 50)
{
    private const string ClearRestOfLine = "\e[K";
    private const string ClearBelow = "\e[J";

    private readonly Lock _gate = new();

    // Guarded by the lock: the progress drawn below the last permanent line.
    private string _progress = "";
    private int _panelLines;

    /// <summary>Standard output; for results only.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>Standard error.</summary>
    public TextWriter ErrorOutput { get; } = error;

    /// <summary>True if standard output is a terminal that can be redrawn.</summary>
    public bool IsOutputInteractive { get; } = isOutputInteractive;

    /// <summary>True if standard error is a terminal that can be redrawn.</summary>
    public bool IsErrorInteractive { get; } = isErrorInteractive;

    /// <summary>The number of columns.</summary>
    public int Width { get; } = width;

    /// <summary>The number of lines.</summary>
    public int Height { get; } = height;

    /// <summary>The terminal of this process.</summary>
    public static Terminal OfProcess()
    {
        if (OperatingSystem.IsWindows())
            Console.OutputEncoding = Encoding.UTF8;
        var isDumb = Environment.GetEnvironmentVariable("TERM") is "dumb";
        var isOutputInteractive = !Console.IsOutputRedirected && !isDumb;
        var isErrorInteractive = !Console.IsErrorRedirected && !isDumb;
        var (width, height) = (0, 0);
        try
        {
            if (isOutputInteractive || isErrorInteractive)
                (width, height) = (Console.WindowWidth, Console.WindowHeight);
        }
        catch (IOException)
        {
            // There is no window; the default below applies.
        }
        return new(Console.Out, Console.Error, isOutputInteractive, isErrorInteractive, width > 20 ? width : 160, height > 2 ? height : 50);
    }

    /// <summary>The same terminal with another target for results.</summary>
    public Terminal WithOutput(TextWriter other) => new(other, ErrorOutput, IsOutputInteractive, IsErrorInteractive, Width, Height);

    /// <summary>Writes a line of the result, wrapped between words if the terminal is too narrow.</summary>
    /// <param name="line">The line.</param>
    /// <param name="indent">The prefix of continuation lines.</param>
    public void WriteWords(string line, string indent = "  ")
    {
        while (line.Length > Width && line.LastIndexOf(' ', Width) is var end && end > indent.Length)
        {
            WriteLine(line[..end].TrimEnd());
            line = indent + line[end..].TrimStart();
        }
        WriteLine(line);
    }

    /// <summary>Writes a line of the result.</summary>
    public void WriteLine(string line)
    {
        lock (_gate)
        {
            Clear();
            Output.WriteLine(line);
        }
    }

    /// <summary>Writes the result as JSON.</summary>
    public void WriteJson<T>(T value, bool onOneLine = false) =>
        WriteLine(JsonSerializer.Serialize(value, onOneLine ? Json.Line : Json.Readable));

    /// <summary>Writes "error: …" on one line.</summary>
    public void Error(string message) => Note("error: " + OneLine(message));

    /// <summary>Writes a line to standard error.</summary>
    public void Note(string line)
    {
        lock (_gate)
        {
            Clear();
            ErrorOutput.WriteLine(line);
        }
    }

    /// <summary>Shows the progress of a long command: in place on a terminal, else on a new line.</summary>
    public void ShowProgress(string line)
    {
        lock (_gate)
        {
            if (!IsErrorInteractive)
            {
                ErrorOutput.WriteLine(line);
                return;
            }
            if (line.Length >= Width)
                line = line[..(Width - 1)];
            // Blanks over the rest of a longer line work on terminals that would print an escape sequence.
            ErrorOutput.Write('\r' + line.PadRight(_progress.Length) + '\r' + line);
            ErrorOutput.Flush();
            _progress = line;
        }
    }

    /// <summary>
    /// Shows the progress of a long command on several lines, in place. Requires a redrawable standard error (<see
    /// cref="TerminalConsole.CanRedrawErrors"/>); lines must be shorter than <see cref="Width"/>.
    /// </summary>
    public void ShowPanel(IReadOnlyList<string> lines)
    {
        lock (_gate)
        {
            // Overwriting instead of clearing avoids flicker.
            var drawing = new StringBuilder(Up(_panelLines));
            foreach (var line in lines)
                drawing.Append(line).Append(ClearRestOfLine).Append('\n');
            drawing.Append(ClearBelow);
            ErrorOutput.Write(drawing.ToString());
            ErrorOutput.Flush();
            _panelLines = lines.Count;
        }
    }

    /// <summary>Removes the progress from the terminal.</summary>
    public void EndProgress()
    {
        lock (_gate)
            Clear();
    }

    private void Clear()
    {
        if (_panelLines > 0)
        {
            ErrorOutput.Write(Up(_panelLines) + ClearBelow);
            ErrorOutput.Flush();
            _panelLines = 0;
        }
        if (_progress.Length == 0)
            return;
        ErrorOutput.Write('\r' + new string(' ', _progress.Length) + '\r');
        ErrorOutput.Flush();
        _progress = "";
    }

    private static string Up(int lines) => lines == 0 ? "" : $"\e[{lines}A\r";

    private static string OneLine(string message)
    {
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return Text.Printable(string.Join(' ', lines));
    }
}
