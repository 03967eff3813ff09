using Actors.Cli.Load;
using Actors.Cli.Output;
using Spectre.Console;

namespace Actors.Cli.Tests.Limits;

public sealed class DecisionPlotTests
{
    [Fact]
    public void Bars_scale_with_their_values_in_each_chart()
    {
        DecisionRate[] rates = [new(0, 0, 0), new(50, 25_000, 0), new(100, 50_000, 0)];
        var lines = Plain(DecisionPlot.Whole(rates, 80));
        Assert.Equal(
            [
                "  allowed/s │   ",
                "        100 ┤  █",
                "            │  █",
                "            │  █",
                "            │ ██",
                "            │ ██",
                "          0 ┤ ██",
                "   denied/s │   ",
                "     50,000 ┤  █",
                "            │  █",
                "            │ ██",
                "          0 ┤ ██",
                "            └───",
                "             a column per second",
            ],
            lines);
    }

    [Fact]
    public void Values_above_zero_are_visible_and_seconds_without_Redis_are_marked()
    {
        DecisionRate[] rates = [new(100, 0, 0), new(0.5, 0, 0.5)];
        var lines = DecisionPlot.Whole(rates, 80);
        Assert.Contains(lines, line => line.EndsWith("┤[green]█[/][yellow]▁[/]", StringComparison.Ordinal));
        Assert.Contains("   no Redis │ ▪", Plain(lines));
        Assert.DoesNotContain(DecisionPlot.Whole([rates[0]], 80), line => line.Contains("no Redis", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(300)]
    public void Plot_fits_the_width_for_any_length_of_load(int width)
    {
        var rates = Enumerable.Range(0, 5000).Select(i => new DecisionRate(i, 2 * i, i % 2)).ToArray();
        foreach (var lines in (IReadOnlyList<string>[])[DecisionPlot.Whole(rates, width), DecisionPlot.Latest(rates, width), DecisionPlot.Latest([], width), DecisionPlot.Whole([], width)])
            Assert.All(Plain(lines), line => Assert.True(line.Length < width, line));
    }

    [Fact]
    public void Panel_replaces_the_last_one_and_is_removed_before_a_result()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error, isErrorInteractive: true);
        terminal.ShowPanel(["one", "two"]);
        terminal.ShowPanel(["three"]);
        terminal.WriteLine("result");
        terminal.Note("note");
        Assert.Equal("one\e[K\ntwo\e[K\n\e[J" + "\e[2A\rthree\e[K\n\e[J" + "\e[1A\r\e[J" + "note\n", error.ToString());
        Assert.Equal("result\n", output.ToString());
    }

    [Fact]
    public void Markup_becomes_colours_line_by_line()
    {
        var lines = TerminalConsole.ToAnsi(["[green]█[/]" + new string('x', 500), "plain"]);
        Assert.Equal(2, lines.Count);
        Assert.EndsWith(new string('x', 500), lines[0], StringComparison.Ordinal);
        Assert.Equal("plain", lines[1]);
    }

    private static string[] Plain(IReadOnlyList<string> markup) => [.. markup.Select(Markup.Remove)];
}
