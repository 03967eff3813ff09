using System.CommandLine;

namespace Actors.Cli.Commands;

/// <summary><c>--watch</c>: shows the same again and again, until Ctrl-C.</summary>
internal sealed class WatchOption(TimeSpan period, string description)
{
    private readonly Option<bool> _watch = new("--watch") { Description = description };

    public void AddTo(Command command) => command.Add(_watch);

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_watch);

    /// <summary>
    /// Shows it once, or until cancelled, which is then no failure. Watching goes on when the cluster cannot answer for a
    /// while, as one watches most when something is wrong; only the first answer must come.
    /// </summary>
    public async Task<int> RunAsync(
        CommandContext context, ParseResult parsed, Func<CancellationToken, Task> show, CancellationToken cancellationToken)
    {
        if (!IsGiven(parsed))
        {
            await show(cancellationToken);
            return ExitCode.Done;
        }
        try
        {
            await show(cancellationToken);
            while (true)
            {
                await Task.Delay(period, context.Time, cancellationToken);
                await ShowAgainAsync(context, show, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Ctrl-C is how watching is meant to end.
            return ExitCode.Done;
        }
    }

    private static async Task ShowAgainAsync(
        CommandContext context, Func<CancellationToken, Task> show, CancellationToken cancellationToken)
    {
        try
        {
            await show(cancellationToken);
        }
        catch (Exception e) when (Failure.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            context.Terminal.Error(Failure.Of(e).Message);
        }
    }
}
