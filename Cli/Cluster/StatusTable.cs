using System.Globalization;
using Actors.Cli.Breaker;
using Actors.Cli.Output;
using Spectre.Console;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Cluster;

/// <summary>The status of the cluster as a table: a column per silo, a row per figure.</summary>
internal static class StatusTable
{
    private static readonly (string Name, Func<SiloReport, string> Value)[] Rows =
    [
        ("version", s => s.Version),
        ("uptime", s => Text.Of(s.Uptime)),
        ("writes to memory", s => Text.Of(s.WriteBehind.MemoryWrites)),
        ("writes to the journal", s => Text.Of(s.WriteBehind.JournalWrites)),
        ("writes to the database", s => Text.Of(s.WriteBehind.DatabaseWrites)),
        ("journal commits", s => Text.Of(s.WriteBehind.JournalCommits)),
        ("flushed rows", s => Text.Of(s.WriteBehind.FlushedRows)),
        ("flushed batches", s => Text.Of(s.WriteBehind.FlushedBatches)),
        ("writes per flushed row", s => s.WriteBehind.CoalesceRatio?.ToString("0.0", CultureInfo.InvariantCulture) ?? "-"),
        ("unflushed rows", s => Text.Of(s.WriteBehind.UnflushedRows)),
        ("unflushed bytes", s => Text.Bytes(s.WriteBehind.UnflushedBytes)),
        ("oldest unflushed", s => Text.Of(s.WriteBehind.OldestUnflushed)),
        ("fence hits", s => Text.Of(s.WriteBehind.FenceHits)),
        ("parked rows", s => Text.Of(s.WriteBehind.ParkedRows)),
        ("held rows", s => Text.Of(s.WriteBehind.HeldRows)),
        ("users in memory", s => Text.Of(s.Users.Active)),
        ("bytes of users", s => Text.Bytes(s.Users.Bytes)),
        ("users shed", s => Text.Of(s.Users.Shed)),
        ("calls refused for memory", s => Text.Of(s.Users.Refused)),
        ("hits in memory", s => HitRate(s.Cache.Memory)),
        ("hits in Redis", s => HitRate(s.Cache.Redis)),
        ("hits in the database", s => HitRate(s.Cache.Database)),
        ("limited clients", s => Text.Of(s.RateLimits.Clients)),
        ("limit decisions", s => Text.Of(s.RateLimits.Decisions)),
        ("limit denials", s => Text.Of(s.RateLimits.Denied)),
        ("decisions per script call", s => s.RateLimits.DecisionsPerCall?.ToString("0.0", CultureInfo.InvariantCulture) ?? "-"),
        ("decided without Redis", s => Text.Of(s.RateLimits.Local)),
        ("waiting for permits", s => Text.Of(s.RateLimits.Waiting)),
        ("clients not in Redis yet", s => Text.Of(s.RateLimits.Unsynced)),
        ("bytes of grants", s => Text.Bytes(s.RateLimits.Bytes)),
        ("Redis", s => s.Breaker is { } breaker ? BreakerText.States(breaker) : "-"),
        ("Redis P99", s => s.Breaker is { } breaker ? BreakerText.Latency(breaker.Latency, l => l.P99) : "-"),
    ];

    public static void Write(ClusterStatus status, Terminal terminal, bool isRedrawn)
    {
        var console = TerminalConsole.Of(terminal);
        if (isRedrawn && terminal.IsOutputInteractive)
            console.Clear();
        console.Write(Build(status));
        console.WriteLine(Text.Count(status.Silos.Length, "silo"));
    }

    private static Table Build(ClusterStatus status)
    {
        var silos = status.Silos;
        var table = new Table().Border(TableBorder.Simple).AddColumn("silo");
        foreach (var silo in silos)
            table.AddColumn(new TableColumn(Markup.Escape(Text.Printable(silo.Silo))).RightAligned());
        foreach (var (name, value) in Rows)
            table.AddRow([name, .. silos.Select(silo => Markup.Escape(Text.Printable(Value(silo, name, value))))]);
        return table;
    }

    private static string Value(SiloReport silo, string name, Func<SiloReport, string> value) => silo.IsResponding
        ? value(silo)
        : name == Rows[0].Name ? "not responding" : "-";

    private static string HitRate(LayerStatus layer) => Text.Percent(layer.HitRate, layer.Hits + layer.Misses);
}
