using Spectre.Console;

namespace Actors.Cli.Output;

/// <summary>A value of a table, with its colour on terminals that support colours.</summary>
internal readonly record struct Cell(string Text, string? Colour = null)
{
    public static implicit operator Cell(string text) => new(text);

    public string ToMarkup()
    {
        var text = Markup.Escape(Output.Text.Printable(Text));
        return Colour is null ? text : $"[{Colour}]{text}[/]";
    }
}

/// <summary>
/// A table of column groups. If the terminal is too narrow, the columns of a group are stacked, group by group from the left,
/// until the table fits. If that is not enough, each row becomes a list with one figure per line, so no address or figure is
/// ever broken.
/// </summary>
internal sealed class FittedTable
{
    /// <summary>The cell of a missing figure.</summary>
    public const string None = "-";

    private const int Gap = 2;

    // Prose may wrap, but not to one word per line.
    private const int NarrowestProse = 24;

    private readonly List<(string[] Headings, Kind Kind)> _groups = [];
    private readonly List<Cell[][]> _rows = [];

    private enum Kind
    {
        Words,
        Prose,
        Figures,
    }

    /// <summary>Adds columns of words, aligned left.</summary>
    public FittedTable Words(params string[] headings) => Add(headings, Kind.Words);

    /// <summary>Adds columns of sentences, aligned left, which may wrap.</summary>
    public FittedTable Prose(string heading) => Add([heading], Kind.Prose);

    /// <summary>Adds columns of figures, aligned right.</summary>
    public FittedTable Figures(params string[] headings) => Add(headings, Kind.Figures);

    /// <summary>Adds a row: the cells of each group, as many as the group has headings.</summary>
    public void AddRow(params Cell[][] groups) => _rows.Add(groups);

    /// <summary>The number of lines at this terminal width, including headings; also for a list.</summary>
    public void Write(Terminal terminal)
    {
        var console = TerminalConsole.Of(terminal);
        var stacked = 0;
        while (stacked < _groups.Count && WidthWith(stacked) > terminal.Width)
            stacked++;
        if (WidthWith(stacked) <= terminal.Width)
        {
            console.Write(Build(stacked));
            return;
        }

        // The terminal wraps longer words itself, so copied text gets no extra line breaks.
        console.Profile.Width = int.MaxValue;
        var headings = _groups.SelectMany(group => group.Headings).ToArray();
        var longest = headings.Max(heading => heading.Length) + Gap;
        foreach (var row in _rows)
        {
            foreach (var (heading, cell) in headings.Zip(row.SelectMany(cells => cells)).Where(each => each.Second.Text != None))
                console.MarkupLine(Markup.Escape(heading.PadRight(longest)) + cell.ToMarkup());
            console.WriteLine();
        }
    }

    private Table Build(int stacked)
    {
        var table = new Table().Border(TableBorder.Simple);
        for (var group = 0; group < _groups.Count; group++)
        {
            var (headings, kind) = _groups[group];
            foreach (var heading in Columns([.. headings.Select(h => new Cell(h))], group < stacked))
            {
                var column = new TableColumn(heading).PadLeft(0).PadRight(1);
                if (kind == Kind.Figures) column.RightAligned();
                table.AddColumn(kind == Kind.Prose ? column : column.NoWrap());
            }
        }
        foreach (var row in _rows)
            table.AddRow([.. row.SelectMany((cells, group) => Columns(cells, group < stacked))]);
        return table;
    }

    private FittedTable Add(string[] headings, Kind kind)
    {
        _groups.Add((headings, kind));
        return this;
    }

    private static IEnumerable<string> Columns(Cell[] cells, bool isStacked)
    {
        if (!isStacked)
            return cells.Select(cell => cell.ToMarkup());
        // Empty lines below the last figure would only make the row taller.
        var used = Math.Max(Array.FindLastIndex(cells, cell => cell.Text != None) + 1, 1);
        return [string.Join('\n', cells.Take(used).Select(cell => cell.ToMarkup()))];
    }

    private int WidthWith(int stacked) => 1 + _groups.Select((group, index) =>
    {
        var widths = group.Headings.Select((heading, at) => Gap + Math.Max(heading.Length, Longest(group.Kind, index, at)));
        return index < stacked ? widths.Max() : widths.Sum();
    }).Sum();

    private int Longest(Kind kind, int group, int column)
    {
        var longest = _rows.Select(row => Text.Printable(row[group][column].Text).Length).DefaultIfEmpty().Max();
        return kind == Kind.Prose ? Math.Min(longest, NarrowestProse) : longest;
    }
}
