using Actors.Cli.Output;
using Spectre.Console;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Load;

/// <summary>The result of a limiter load.</summary>
internal static class LimitSummary
{
    /// <summary>As text: the plot and the figures.</summary>
    public static void Write(
        LoadMeter meter, DecisionMeter decisions, IReadOnlyList<DecisionRate> rates, LedgerWriter<GrantEntry>? ledger, Terminal terminal)
    {
        var console = TerminalConsole.Of(terminal);
        foreach (var line in DecisionPlot.Whole(rates, terminal.Width))
            console.MarkupLine(line.TrimEnd());
        terminal.WriteLine("");
        meter.Write(terminal, "decisions");
        var counts = decisions.Counts;
        terminal.WriteLine(
            $"{Text.Of(counts.Allowed)} allowed ({Text.Of(PerSecond(meter, counts.Allowed))}/s, {Text.Count(counts.Permits, "permit")}), " +
            $"{Text.Of(counts.Denied)} denied ({Text.Of(PerSecond(meter, counts.Denied))}/s)");
        if (counts.ShadowDenied > 0)
            terminal.WriteLine($"{Text.Of(counts.ShadowDenied)} of those allowed would have been denied: the policy is in shadow mode");
        if (counts.Local > 0)
            terminal.WriteLine($"{Text.Of(counts.Local)} were decided without Redis");
        if (ledger is not null)
            terminal.WriteLine($"{Text.Count(ledger.Written, "entry", "entries")} in {ledger.File}");
    }

    /// <summary>As JSON.</summary>
    public static Dictionary<string, object> ToJson(LoadMeter meter, DecisionMeter decisions, LedgerWriter<GrantEntry>? ledger)
    {
        var counts = decisions.Counts;
        var result = meter.ToJson();
        result["allowed"] = counts.Allowed;
        result["denied"] = counts.Denied;
        result["shadowDenied"] = counts.ShadowDenied;
        result["local"] = counts.Local;
        result["permits"] = counts.Permits;
        if (ledger is not null)
            result["ledger"] = new { ledger.File, Entries = ledger.Written };
        return result;
    }

    private static long PerSecond(LoadMeter meter, long count) => (long)(count / Math.Max(0.001, meter.Elapsed.TotalSeconds));
}
