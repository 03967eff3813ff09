using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.Cluster;

/// <summary><c>actors cluster status</c></summary>
internal static class ClusterCommand
{
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(2);

    public static Command Create(CommandContext context) => new("cluster", "Look at the cluster as a whole.") { Status(context) };

    private static Command Status(CommandContext context)
    {
        var watch = new Option<bool>("--watch") { Description = "Show it again every 2 seconds, until Ctrl-C." };
        var command = new Command("status", "Show every silo: its version, its write-behind, and where reads are answered.") { watch };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var isWatching = parsed.GetValue(watch);
            while (true)
            {
                var status = await cluster.Status.GetStatusAsync(cancellationToken);
                if (parsed.IsJson())
                    context.Terminal.WriteJson(StatusJson.Of(status), onOneLine: isWatching);
                else
                    StatusTable.Write(status, context.Terminal, isRedrawn: isWatching);
                if (!isWatching)
                    return ExitCode.Done;
                try
                {
                    await Task.Delay(WatchPeriod, context.Time, cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    // Ctrl-C is how watching is meant to end.
                    return ExitCode.Done;
                }
            }
        });
        return command;
    }
}
