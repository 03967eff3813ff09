using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Cluster;

/// <summary><c>actors cluster status</c></summary>
internal static class ClusterCommand
{
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(2);

    public static Command Create(CommandContext context) => new("cluster", "Show the whole cluster.") { Status(context) };

    private static Command Status(CommandContext context)
    {
        var watch = new WatchOption(WatchPeriod, "Refresh every 2 seconds until Ctrl-C.");
        var command = new Command("status",
            "Show every silo: version, write-behind, cache hits, limiters, and Redis.");
        watch.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            return await watch.RunAsync(context, parsed, ShowAsync, cancellationToken);

            async Task ShowAsync(CancellationToken token)
            {
                var status = await cluster.Status.GetStatusAsync(token);
                if (parsed.IsJson())
                    context.Terminal.WriteJson(StatusJson.Of(status, context.Time.GetUtcNow()), onOneLine: watch.IsGiven(parsed));
                else if (watch.IsGiven(parsed) && context.Terminal.IsOutputInteractive)
                    Screen.Redraw(context.Terminal, terminal => StatusTable.WriteScreen(status, terminal));
                else
                    StatusTable.Write(status, context.Terminal);
            }
        });
        return command;
    }
}
