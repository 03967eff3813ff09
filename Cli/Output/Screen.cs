namespace Actors.Cli.Output;

/// <summary>Redraws the terminal. It never draws more lines than fit, because the top would scroll away.</summary>
internal static class Screen
{
    /// <summary>Draws the output in place of everything on the terminal.</summary>
    public static void Redraw(Terminal terminal, Action<Terminal> draw)
    {
        using var text = new StringWriter();
        draw(terminal.WithOutput(text));
        var lines = text.ToString().TrimEnd().Split('\n');

        // The last line of the terminal is left for the cursor.
        var room = Math.Max(terminal.Height - 1, 2);
        if (lines.Length > room)
        {
            var hidden = lines.Length - room + 1;
            lines = [.. lines.Take(room - 1), $"… {Text.Count(hidden, "more line")}: make the window taller, or use --json"];
        }
        TerminalConsole.Of(terminal).Clear(home: true);
        foreach (var line in lines)
            terminal.WriteLine(line.TrimEnd('\r'));
    }
}
