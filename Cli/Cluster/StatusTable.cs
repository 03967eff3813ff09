using System.Globalization;
using Actors.Cli.Breaker;
using Actors.Cli.Output;
using Spectre.Console;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Cluster;

/// <summary>
/// The status of the cluster as a table with one column per silo and one row per figure. Silos that do not fit get another
/// table below. On a terminal too narrow for one silo, each figure takes a line.
/// </summary>
internal static class StatusTable
{
    private const int Gap = 3;

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
        ("writes per flushed row", s => s.WriteBehind.CoalesceRatio?.ToString("0.0", CultureInfo.InvariantCulture) ?? FittedTable.None),
        ("unflushed rows", s => Text.Of(s.WriteBehind.UnflushedRows)),
        ("unflushed bytes", s => Text.Bytes(s.WriteBehind.UnflushedBytes)),
        ("oldest unflushed", OldestUnflushed),
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
        ("decisions per script call", s => s.RateLimits.DecisionsPerCall?.ToString("0.0", CultureInfo.InvariantCulture) ?? FittedTable.None),
        ("decided without Redis", s => Text.Of(s.RateLimits.Local)),
        ("waiting for permits", s => Text.Of(s.RateLimits.Waiting)),
        ("clients not in Redis yet", s => Text.Of(s.RateLimits.Unsynced)),
        ("bytes of grants", s => Text.Bytes(s.RateLimits.Bytes)),
        ("Redis", Redis),
        ("Redis P99", s => s.Breaker is { } breaker ? BreakerText.Latency(breaker.Latency, l => l.P99) : FittedTable.None),
    ];

    /// <summary>All figures of every silo.</summary>
    public static void Write(ClusterStatus status, Terminal terminal)
    {
        var names = Rows.Max(row => row.Name.Length) + Gap;
        var console = TerminalConsole.Of(terminal);
        SiloReport[] beside = [];
        foreach (var silo in status.Silos)
        {
            if (names + Width(silo) > terminal.Width)
            {
                WriteList(status, terminal);
                return;
            }
        }
        foreach (var silo in status.Silos)
        {
            if (names + beside.Append(silo).Sum(Width) > terminal.Width)
            {
                console.Write(Build(beside));
                beside = [];
            }
            beside = [.. beside, silo];
        }
        console.Write(Build(beside));
        WriteCount(status, terminal);
    }

    /// <summary>
    /// All figures of every silo if they fit on the screen; otherwise one row per silo with the main figures.
    /// </summary>
    public static void WriteScreen(ClusterStatus status, Terminal terminal)
    {
        using var full = new StringWriter();
        Write(status, terminal.WithOutput(full));
        if (full.ToString().TrimEnd().Split('\n').Length < terminal.Height)
        {
            terminal.WriteLine(full.ToString().TrimEnd());
            return;
        }

        var table = new FittedTable()
            .Words("silo")
            .Words("Redis", "uptime")
            .Figures("writes", "unflushed", "oldest")
            .Figures("users")
            .Figures("decisions", "denials");
        foreach (var silo in status.Silos)
            table.AddRow(silo.IsResponding ? Row(silo) : RowWithout(silo));
        table.Write(terminal);
        WriteCount(status, terminal);
    }

    private static Cell[][] Row(SiloReport silo) =>
    [
        [silo.Silo],
        [silo.Breaker is { } breaker ? new Cell(Text.Of(breaker.State), BreakerText.Colour(breaker.State)) : FittedTable.None, Text.Of(silo.Uptime)],
        [
            Text.Of(silo.WriteBehind.MemoryWrites + silo.WriteBehind.JournalWrites + silo.WriteBehind.DatabaseWrites),
            Text.Of(silo.WriteBehind.UnflushedRows),
            OldestUnflushed(silo),
        ],
        [Text.Of(silo.Users.Active)],
        [Text.Of(silo.RateLimits.Decisions), Text.Of(silo.RateLimits.Denied)],
    ];

    private static Cell[][] RowWithout(SiloReport silo)
    {
        Cell none = FittedTable.None;
        return [[silo.Silo], [new("not responding", "red"), none], [none, none, none], [none], [none, none]];
    }

    private static Table Build(SiloReport[] silos)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn("silo").NoWrap());
        foreach (var silo in silos)
            table.AddColumn(new TableColumn(Markup.Escape(Text.Printable(silo.Silo))).RightAligned().NoWrap());
        foreach (var (name, value) in Rows)
            table.AddRow([name, .. silos.Select(silo => Markup.Escape(Text.Printable(Value(silo, name, value))))]);
        return table;
    }

    private static void WriteList(ClusterStatus status, Terminal terminal)
    {
        var names = Rows.Max(row => row.Name.Length) + 1;
        foreach (var silo in status.Silos)
        {
            terminal.WriteLine(Text.Printable(silo.Silo));
            foreach (var (name, value) in silo.IsResponding ? Rows : Rows[..1])
                terminal.WriteLine(name.PadRight(names) + Text.Printable(Value(silo, name, value)));
            terminal.WriteLine("");
        }
        WriteCount(status, terminal);
    }

    private static void WriteCount(ClusterStatus status, Terminal terminal)
    {
        var silent = status.Silos.Count(silo => !silo.IsResponding);
        terminal.WriteLine(Text.Count(status.Silos.Length, "silo") + (silent > 0 ? $", {Text.Of(silent)} not responding" : ""));
    }

    private static int Width(SiloReport silo) =>
        Gap + Rows.Max(row => Text.Printable(Value(silo, row.Name, row.Value)).Length) is var widest && widest > silo.Silo.Length + Gap
            ? widest
            : silo.Silo.Length + Gap;

    private static string Value(SiloReport silo, string name, Func<SiloReport, string> value) => silo.IsResponding
        ? value(silo)
        : name == Rows[0].Name ? "not responding" : FittedTable.None;

    private static string OldestUnflushed(SiloReport silo) =>
        silo.WriteBehind.UnflushedRows == 0 ? FittedTable.None : Text.Of(silo.WriteBehind.OldestUnflushed);

    private static string Redis(SiloReport silo) => silo.Breaker is { } breaker ? BreakerText.States(breaker) : FittedTable.None;

    private static string HitRate(LayerStatus layer) => Text.Percent(layer.HitRate, layer.Hits + layer.Misses);
}
