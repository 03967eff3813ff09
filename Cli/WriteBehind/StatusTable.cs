using System.Globalization;
using Actors.Cli.Breaker;
using Actors.Cli.Output;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.WriteBehind;

/// <summary>Write-behind as a table with one row per silo, followed by flush errors.</summary>
internal static class StatusTable
{
    private const int BarWidth = 12;
    private const int LongestError = 120;

    public static void Write(ClusterStatus status, DateTimeOffset now, Terminal terminal)
    {
        var table = new FittedTable()
            .Words("silo", "state", "in use")
            .Figures("unflushed", "bytes", "of")
            .Figures("oldest")
            .Figures("coalesced", "batch", "flush p99")
            .Figures("slowed", "refused")
            .Figures("fence hits", "recovered");
        foreach (var silo in status.Silos)
            table.AddRow(silo.IsResponding ? Row(silo.Silo, silo.WriteBehind) : RowWithout(silo));
        table.Write(terminal);
        terminal.WriteLine(Text.Count(status.Silos.Length, "silo"));
        foreach (var silo in status.Silos.Where(silo => silo.WriteBehind.LastFlushError is not null))
            WriteError(silo.Silo, silo.WriteBehind, now, terminal);
    }

    /// <summary>The colour of a state, as Spectre names it.</summary>
    public static string Colour(WriteBehindState state) => state switch
    {
        WriteBehindState.Buffering => "green",
        WriteBehindState.Slowing => "yellow",
        WriteBehindState.WritingThrough => "magenta",
        _ => "red",
    };

    /// <summary>A share as a bar and a percentage: "######...... 50 %". Any share above zero shows a bar.</summary>
    public static string Bar(double share)
    {
        var full = share <= 0 ? 0 : Math.Clamp((int)Math.Round(share * BarWidth), 1, BarWidth);
        return string.Create(CultureInfo.InvariantCulture, $"{new string('#', full)}{new string('.', BarWidth - full)} {share * 100:0} %");
    }

    private static Cell[][] Row(string silo, WriteBehindStatus status) =>
    [
        [silo, new(Text.Of(status.State), Colour(status.State)), new(Bar(status.Fill), Colour(status.State))],
        [Text.Of(status.UnflushedRows), Text.Bytes(status.UnflushedBytes), Text.Bytes(status.MaxUnflushedBytes)],
        [status.UnflushedRows == 0 ? FittedTable.None : Text.Of(status.OldestUnflushed)],
        [
            status.CoalesceRatio?.ToString("0.0", CultureInfo.InvariantCulture) ?? FittedTable.None,
            status.AverageBatch?.ToString("0", CultureInfo.InvariantCulture) ?? FittedTable.None,
            status.FlushP99 == TimeSpan.Zero ? FittedTable.None : Text.Of(status.FlushP99),
        ],
        [Text.Of(status.SlowedWrites), Text.Of(status.RefusedWrites)],
        [Text.Of(status.FenceHits), Text.Of(status.RecoveredRows)],
    ];

    private static Cell[][] RowWithout(SiloReport silo)
    {
        Cell none = FittedTable.None;
        return [[silo.Silo, "not responding", none], [none, none, none], [none], [none, none, none], [none, none], [none, none]];
    }

    private static void WriteError(string silo, WriteBehindStatus status, DateTimeOffset now, Terminal terminal)
    {
        var age = status.LastFlushErrorAt is { } at ? $" {Text.Of(BreakerText.Between(at, now))} ago" : "";
        terminal.WriteWords(
            $"{Text.Printable(silo)}: {Text.Count(status.FlushFailures, "flush attempt")} failed, the last one{age}: "
                + $"{Text.Short(status.LastFlushError!, LongestError)}");
    }
}
