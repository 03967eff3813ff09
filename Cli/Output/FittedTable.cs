using Spectre.Console;

namespace Actors.Cli.Output;

/// <summary>One figure of a table, and the colour it has where there are colours.</summary>
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
/// A table made of groups of columns. Where the terminal is too narrow for all of them side by side, the columns of a group
/// are put one below the other, group by group from the left, until the rest fits.
/// </summary>
internal sealed class FittedTable
{
    /// <summary>The cell of a figure that is not there.</summary>
    public const string None = "-";

    private const int Gap = 2;

    private readonly List<(string[] Headings, bool IsRight)> _groups = [];
    private readonly List<Cell[][]> _rows = [];

    /// <summary>Words, aligned left.</summary>
    public FittedTable Words(params string[] headings) => Add(headings, isRight: false);

    /// <summary>Figures, aligned right.</summary>
    public FittedTable Figures(params string[] headings) => Add(headings, isRight: true);

    /// <summary>Adds a row: for each group its cells, as many as it has headings.</summary>
    public void AddRow(params Cell[][] groups) => _rows.Add(groups);

    public Table Build(int width)
    {
        var stacked = 0;
        while (stacked < _groups.Count && WidthWith(stacked) > width)
            stacked++;

        var table = new Table().Border(TableBorder.Simple);
        for (var group = 0; group < _groups.Count; group++)
        {
            var (headings, isRight) = _groups[group];
            foreach (var heading in Columns([.. headings.Select(h => new Cell(h))], group < stacked))
            {
                var column = new TableColumn(heading).PadLeft(0).PadRight(1);
                table.AddColumn(isRight ? column.RightAligned().NoWrap() : column);
            }
        }
        foreach (var row in _rows)
            table.AddRow([.. row.SelectMany((cells, group) => Columns(cells, group < stacked))]);
        return table;
    }

    private FittedTable Add(string[] headings, bool isRight)
    {
        _groups.Add((headings, isRight));
        return this;
    }

    private static IEnumerable<string> Columns(Cell[] cells, bool isStacked)
    {
        if (!isStacked)
            return cells.Select(cell => cell.ToMarkup());
        // Lines below the last figure would only make the row taller.
        var used = Math.Max(Array.FindLastIndex(cells, cell => cell.Text != None) + 1, 1);
        return [string.Join('\n', cells.Take(used).Select(cell => cell.ToMarkup()))];
    }

    private int WidthWith(int stacked) => 1 + _groups.Select((group, index) =>
    {
        var widths = group.Headings.Select((heading, at) => Gap + _rows
            .Select(row => Text.Printable(row[index][at].Text).Length)
            .Append(heading.Length)
            .Max());
        return index < stacked ? widths.Max() : widths.Sum();
    }).Sum();
}
