using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.WriteBehind;

/// <summary><c>actors writebehind parked</c></summary>
internal static class ParkedCommand
{
    private const int UsualRows = 100;
    private const int LongestReason = 120;

    public static Command Create(CommandContext context)
    {
        var limit = OptionKinds.Number("--limit", "Maximum number of rows to show.", UsualRows, 1, 1_000_000);
        var states = new Option<bool>("--state") { Description = "Also show the state of each row. JSON always includes it." };
        var command = new Command("parked", "Show the rows that the database refused. Their users are served, but the table lacks these versions.")
        {
            limit,
            states,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var (rows, total) = await ReadAsync(cluster, parsed.GetValue(limit), cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(new { Total = total, Rows = rows });
            else
                Write(rows, total, parsed.GetValue(states), context.Terminal);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<(List<ParkedRow> Rows, long Total)> ReadAsync(ICluster cluster, int limit, CancellationToken cancellationToken)
    {
        var rows = new List<ParkedRow>();
        await foreach (var page in ParkedPages.AllAsync(cluster.WriteBehind, cancellationToken))
        {
            rows.AddRange(page.Rows.Take(limit - rows.Count));
            if (rows.Count == limit || page.Next is null)
                return (rows, Math.Max(page.Total, rows.Count));
        }
        return (rows, rows.Count);
    }

    private static void Write(List<ParkedRow> rows, long total, bool hasStates, Terminal terminal)
    {
        if (rows.Count > 0)
        {
            var table = new FittedTable().Words("id").Figures("version").Figures("bytes").Words("parked").Prose("reason");
            foreach (var row in rows)
            {
                table.AddRow(
                    [Text.Short(row.Key)], [Text.Of(row.Version)], [Text.Of(row.Bytes)], [Text.Of(row.ParkedAt)],
                    [Text.Short(row.Reason, LongestReason)]);
            }
            table.Write(terminal);
        }
        if (hasStates)
        {
            foreach (var row in rows)
                terminal.WriteLine(Text.Printable($"{row.Key}: {row.State}"));
        }
        var shown = rows.Count < total ? $", {Text.Of(rows.Count)} shown" : "";
        terminal.WriteLine($"{Text.Count(total, "row")} parked{shown}");
    }
}
