using System.CommandLine;

namespace Actors.Cli.Commands;

/// <summary><c>--watch</c>: refreshes the output until Ctrl-C.</summary>
internal sealed class WatchOption(TimeSpan period, string description)
{
    private readonly Option<bool> _watch = new("--watch") { Description = description };

    public void AddTo(Command command) => command.Add(_watch);

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_watch);

    /// <summary>
    /// Shows the output once, or repeatedly until it is cancelled, which is not a failure. Only the first answer is required.
    /// Later failures do not end the watch, because people watch when something is wrong.
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
            // Ctrl-C is the normal end of watching.
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
