using Actors.Cli.Output;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Breaker;

/// <summary>The health of each Redis as a table: what it says of itself, and how long the silos wait for it.</summary>
internal static class HealthTable
{
    public static void Write(ClusterStatus status, DateTimeOffset now, Terminal terminal)
    {
        var console = TerminalConsole.Of(terminal);
        var table = new FittedTable()
            .Words("redis", "for")
            .Words("state", "asked")
            .Words("version", "uptime")
            .Figures("memory", "of", "used")
            .Figures("clients")
            .Figures("evicted", "hits")
            .Figures("p50", "p95", "p99");
        var views = RedisView.AllOf(status);
        foreach (var view in views)
            table.AddRow(Row(view, now));
        console.Write(table.Build(terminal.Width));
        terminal.WriteLine($"{views.Count} Redis, {Text.Count(status.Silos.Length, "silo")}");
        foreach (var silo in status.Silos.Where(silo => !silo.IsResponding))
            terminal.WriteLine(Text.Printable($"{silo.Silo}: not responding"));
    }

    private static Cell[][] Row(RedisView view, DateTimeOffset now)
    {
        var health = view.Health;
        return
        [
            [view.Address, BreakerText.Roles(view.Roles)],
            [
                new(Text.Of(view.State), BreakerText.Colour(view.State)),
                health is null ? "never" : Text.Of(BreakerText.Between(health.At, now)) + " ago",
            ],
            health is null ? ["-", "-"] : [health.Version, Text.Of(health.Uptime)],
            health is null
                ? ["-", "-", "-"]
                : [
                    Text.Bytes(health.UsedMemory),
                    health.MaxMemory == 0 ? "no limit" : Text.Bytes(health.MaxMemory),
                    Text.Percent(health.MemoryUse, health.MaxMemory),
                ],
            [health is null ? "-" : Text.Of(health.ConnectedClients)],
            health is null
                ? ["-", "-"]
                : [Text.Of(health.EvictedKeys), Text.Percent(health.HitRate, health.KeyspaceHits + health.KeyspaceMisses)],
            [
                BreakerText.Latency(view.Latency, latency => latency.P50),
                BreakerText.Latency(view.Latency, latency => latency.P95),
                BreakerText.Latency(view.Latency, latency => latency.P99),
            ],
        ];
    }
}
