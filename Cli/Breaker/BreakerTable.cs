using System.Globalization;
using Actors.Cli.Output;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Breaker;

/// <summary>The breakers as a table with one row per silo and circuit, followed by the recent state changes.</summary>
internal static class BreakerTable
{
    private const int TransitionWidth = 22;
    private const int IndentOfReason = 50;

    /// <param name="status">The status to show.</param>
    /// <param name="transitions">The number of recent state changes to show per circuit.</param>
    /// <param name="now">The time that durations end at.</param>
    /// <param name="terminal">The terminal to write to.</param>
    public static void Write(ClusterStatus status, int transitions, DateTimeOffset now, Terminal terminal)
    {
        var table = new FittedTable()
            .Words("silo", "redis", "for")
            .Words("state", "since", "probe in")
            .Figures("failing")
            .Figures("p50", "p95", "p99")
            .Figures("calls", "failed", "rejected");
        foreach (var silo in status.Silos)
        {
            if (silo.Breaker is null)
                table.AddRow(RowWithout(silo));
            foreach (var circuit in silo.Breaker?.Circuits ?? [])
                table.AddRow(Row(silo.Silo, circuit, now));
        }
        table.Write(terminal);
        terminal.WriteLine(Text.Count(status.Silos.Length, "silo"));
        foreach (var silo in status.Silos)
        {
            foreach (var circuit in silo.Breaker?.Circuits ?? [])
                WriteHistory(silo.Silo, circuit, transitions, now, terminal);
        }
        foreach (var view in RedisView.AllOf(status).Where(view => view.Warning is not null))
        {
            terminal.WriteLine("");
            terminal.WriteLine(Text.Printable($"warning: Redis {view.Address} ({BreakerText.Roles(view.Roles)}): {view.Warning}"));
        }
    }

    private static Cell[][] Row(string silo, CircuitSnapshot circuit, DateTimeOffset now) =>
    [
        [silo, circuit.Address, BreakerText.Roles(circuit.Roles)],
        [
            new(Text.Of(circuit.State), BreakerText.Colour(circuit.State)),
            Text.Of(BreakerText.Between(circuit.Since, now)),
            circuit.NextProbe is { } probe ? Text.Of(BreakerText.Between(now, probe)) : FittedTable.None,
        ],
        [(circuit.FailureRatio * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %"],
        [
            BreakerText.Latency(circuit.Latency, latency => latency.P50),
            BreakerText.Latency(circuit.Latency, latency => latency.P95),
            BreakerText.Latency(circuit.Latency, latency => latency.P99),
        ],
        [Text.Of(circuit.Calls), Text.Of(circuit.Failures), Text.Of(circuit.Rejected)],
    ];

    private static Cell[][] RowWithout(SiloReport silo)
    {
        Cell none = FittedTable.None;
        Cell[] three = [none, none, none];
        return [[silo.Silo, none, none], [silo.IsResponding ? "unknown" : "not responding", none, none], [none], three, three];
    }

    private static void WriteHistory(string silo, CircuitSnapshot circuit, int transitions, DateTimeOffset now, Terminal terminal)
    {
        var last = circuit.Transitions.TakeLast(transitions).ToArray();
        if (last.Length == 0 && circuit.LastError is null)
            return;
        // A driver's error can fill a screen; JSON has all of it.
        var longest = Math.Max(terminal.Width - IndentOfReason, IndentOfReason);
        terminal.WriteLine("");
        terminal.WriteWords(Text.Printable($"{silo}, Redis {circuit.Address} ({BreakerText.Roles(circuit.Roles)})"));
        foreach (var transition in last)
        {
            var change = $"{Text.Of(transition.From)} → {Text.Of(transition.To)}".PadRight(TransitionWidth);
            terminal.WriteWords($"  {Text.Of(transition.At)}  {change}{Text.Short(transition.Reason, longest)}", "    ");
        }
        if (circuit.LastError is { } error)
        {
            // The last error of a closed circuit may be old.
            var age = circuit.LastErrorAt is { } at ? $", {Text.Of(BreakerText.Between(at, now))} ago" : "";
            terminal.WriteWords($"  last error{age}: {Text.Short(error, longest + IndentOfReason / 2)}", "    ");
        }
    }
}
