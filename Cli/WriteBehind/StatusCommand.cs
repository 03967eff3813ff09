using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.WriteBehind;

/// <summary><c>actors writebehind status</c></summary>
internal static class StatusCommand
{
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(1);

    public static Command Create(CommandContext context)
    {
        var watch = new WatchOption(WatchPeriod, "Refresh every second until Ctrl-C.");
        var command = new Command("status",
            "Show the write-behind of every silo: its state, its unflushed rows, and its flush rate.");
        watch.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            return await watch.RunAsync(context, parsed, ShowAsync, cancellationToken);

            async Task ShowAsync(CancellationToken token)
            {
                var status = await cluster.Status.GetStatusAsync(token);
                if (parsed.IsJson())
                {
                    context.Terminal.WriteJson(StatusJson.Of(status), onOneLine: watch.IsGiven(parsed));
                    return;
                }
                var now = context.Time.GetUtcNow();
                if (watch.IsGiven(parsed) && context.Terminal.IsOutputInteractive)
                    Screen.Redraw(context.Terminal, terminal => StatusTable.Write(status, now, terminal));
                else
                    StatusTable.Write(status, now, context.Terminal);
            }
        });
        return command;
    }
}
