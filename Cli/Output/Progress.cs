namespace Actors.Cli.Output;

/// <summary>
/// Redraws the progress of a long command: several times per second on a terminal, every few seconds in a log.
/// </summary>
internal sealed class Progress : IAsyncDisposable
{
    private static readonly TimeSpan OnTerminal = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan InLog = TimeSpan.FromSeconds(5);

    private readonly Terminal _terminal;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _drawing;

    public Progress(Terminal terminal, TimeProvider time, Func<string> describe)
    {
        _terminal = terminal;
        _drawing = DrawAsync(new PeriodicTimer(terminal.IsErrorInteractive ? OnTerminal : InLog, time), describe);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _drawing;
        _terminal.EndProgress();
        _end.Dispose();
    }

    private async Task DrawAsync(PeriodicTimer timer, Func<string> describe)
    {
        using (timer)
        {
            try
            {
                while (await timer.WaitForNextTickAsync(_end.Token))
                    _terminal.ShowProgress(describe());
            }
            catch (OperationCanceledException)
            {
                // The command has ended.
            }
        }
    }
}
