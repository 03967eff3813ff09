using System.Globalization;
using System.Text;
using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary>
/// Plots decisions over time: one chart of allowed and one of denied calls, with separate scales, because one can exceed the
/// other a thousandfold. Seconds decided without Redis have another colour and a mark.
/// </summary>
internal static class DecisionPlot
{
    private const int AllowedRows = 6;
    private const int DeniedRows = 4;
    private const int LabelWidth = 11;
    private const int MostColumns = 100;
    private const string Blocks = " ▁▂▃▄▅▆▇█";

    // Keeps the scale from changing every second, while the bars stay near the top.
    private static readonly double[] Steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

    /// <summary>The number of columns that fit into a width.</summary>
    public static int Columns(int width) => Math.Clamp(width - LabelWidth - 4, 10, MostColumns);

    /// <summary>The last seconds, the latest on the right, as lines of Spectre markup.</summary>
    public static IReadOnlyList<string> Latest(IReadOnlyList<DecisionRate> rates, int width)
    {
        var columns = Columns(width);
        return Draw([.. rates.Skip(Math.Max(0, rates.Count - columns))], columns, $"the last {Text.Of(columns)} s");
    }

    /// <summary>All seconds, merged if there are more than columns, as lines of Spectre markup.</summary>
    public static IReadOnlyList<string> Whole(IReadOnlyList<DecisionRate> rates, int width)
    {
        var perColumn = Math.Max(1, (int)Math.Ceiling(rates.Count / (double)Columns(width)));
        DecisionRate[] merged = [.. rates.Chunk(perColumn).Select(chunk => new DecisionRate(
            chunk.Average(rate => rate.Allowed), chunk.Average(rate => rate.Denied), chunk.Average(rate => rate.Local)))];
        return Draw(merged, merged.Length, perColumn == 1 ? "a column per second" : $"a column per {Text.Of(perColumn)} s");
    }

    private static List<string> Draw(DecisionRate[] rates, int columns, string axis)
    {
        var lines = new List<string>();
        Chart(lines, rates, columns, "allowed/s", "green", AllowedRows, rate => rate.Allowed);
        Chart(lines, rates, columns, "denied/s", "red", DeniedRows, rate => rate.Denied);
        if (rates.Any(rate => rate.Local > 0))
            lines.Add($"{"no Redis",LabelWidth} │[yellow]{Marks(rates)}[/]");
        lines.Add($"{"",LabelWidth} └{new string('─', columns)}");
        lines.Add($"{"",LabelWidth}  {axis}");
        return lines;
    }

    private static void Chart(
        List<string> lines, DecisionRate[] rates, int columns, string name, string colour, int rows, Func<DecisionRate, double> figure)
    {
        var top = Top(rates.Select(figure).DefaultIfEmpty().Max());
        lines.Add($"{name,LabelWidth} │{new string(' ', columns)}");
        for (var row = rows - 1; row >= 0; row--)
        {
            var label = row == rows - 1 ? top.ToString("#,0", CultureInfo.InvariantCulture) : row == 0 ? "0" : "";
            lines.Add($"{label,LabelWidth} {(label.Length > 0 ? '┤' : '│')}{Row(rates, row, rows, top, colour, figure)}");
        }
    }

    private static string Row(DecisionRate[] rates, int row, int rows, double top, string colour, Func<DecisionRate, double> figure)
    {
        var line = new StringBuilder();
        for (var start = 0; start < rates.Length;)
        {
            // One run per colour.
            var end = start;
            while (end < rates.Length && IsLocal(rates[end]) == IsLocal(rates[start]))
                end++;
            line.Append('[').Append(IsLocal(rates[start]) ? "yellow" : colour).Append(']');
            for (; start < end; start++)
                line.Append(Block(figure(rates[start]), row, rows, top));
            line.Append("[/]");
        }
        return line.ToString();
    }

    private static bool IsLocal(DecisionRate rate) => rate.Local > 0;

    /// <summary>How much of a row a bar fills; any value above zero shows in the lowest row.</summary>
    private static char Block(double value, int row, int rows, double top)
    {
        var eighths = (int)Math.Round(value / top * rows * 8);
        if (value > 0)
            eighths = Math.Max(eighths, 1);
        return Blocks[Math.Clamp(eighths - (row * 8), 0, 8)];
    }

    private static string Marks(DecisionRate[] rates) => string.Concat(rates.Select(rate => IsLocal(rate) ? '▪' : ' '));

    private static double Top(double most)
    {
        if (most <= 10)
            return 10;
        var power = Math.Pow(10, Math.Floor(Math.Log10(most)));
        return Steps.First(step => step * power >= most * 0.999) * power;
    }
}
