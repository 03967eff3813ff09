using Actors.Cli.Output;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Breaker;

/// <summary>The health of each Redis as a table: its server figures and the latencies of the silos.</summary>
internal static class HealthTable
{
    private static readonly Cell None = FittedTable.None;

    // Shown instead of the figures of a Redis that no silo has queried yet.
    private static readonly Cell[][] Unknown = [[None, None], [None, None, None], [None], [None, None]];

    public static void Write(ClusterStatus status, DateTimeOffset now, Terminal terminal)
    {
        var table = new FittedTable()
            .Words("redis", "for", "state", "asked")
            .Words("version", "uptime")
            .Figures("memory", "of", "used")
            .Figures("clients")
            .Figures("evicted", "hits")
            .Figures("p50", "p95", "p99");
        var views = RedisView.AllOf(status);
        foreach (var view in views)
            table.AddRow(Row(view, now));
        table.Write(terminal);
        terminal.WriteLine($"{views.Count} Redis, {Text.Count(status.Silos.Length, "silo")}");
        foreach (var silo in status.Silos.Where(silo => !silo.IsResponding))
            terminal.WriteWords(Text.Printable($"{silo.Silo}: not responding"));
    }

    private static Cell[][] Row(RedisView view, DateTimeOffset now) =>
    [
        [
            view.Address,
            BreakerText.Roles(view.Roles),
            new(Text.Of(view.State), BreakerText.Colour(view.State)),
            view.Health is { } health ? Text.Of(BreakerText.Between(health.At, now)) + " ago" : "never",
        ],
        .. view.Health is { } figures ? Figures(figures) : Unknown,
        [
            BreakerText.Latency(view.Latency, latency => latency.P50),
            BreakerText.Latency(view.Latency, latency => latency.P95),
            BreakerText.Latency(view.Latency, latency => latency.P99),
        ],
    ];

    private static Cell[][] Figures(RedisHealth health) =>
    [
        [health.Version, Text.Of(health.Uptime)],
        [
            Text.Bytes(health.UsedMemory),
            health.MaxMemory == 0 ? "no limit" : Text.Bytes(health.MaxMemory),
            Text.Percent(health.MemoryUse, health.MaxMemory),
        ],
        [Text.Of(health.ConnectedClients)],
        [Text.Of(health.EvictedKeys), Text.Percent(health.HitRate, health.KeyspaceHits + health.KeyspaceMisses)],
    ];
}
