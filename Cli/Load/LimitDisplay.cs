using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary>
/// Shows a running limiter load: a plot several times per second on a terminal, a line every few seconds in a log. Keeps all
/// seconds for the summary.
/// </summary>
internal sealed class LimitDisplay : IAsyncDisposable
{
    private const string Calls = "decisions";
    private const int LooksPerLogLine = 20;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    private readonly Terminal _terminal;
    private readonly LoadMeter _meter;
    private readonly DecisionMeter _decisions;
    private readonly DecisionSeries _series;
    private readonly bool _isPlot;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _drawing;

    public LimitDisplay(Terminal terminal, TimeProvider time, LoadMeter meter, DecisionMeter decisions)
    {
        _terminal = terminal;
        _meter = meter;
        _decisions = decisions;
        _series = new(decisions, time);
        _isPlot = TerminalConsole.CanRedrawErrors(terminal);
        _drawing = DrawAsync(new PeriodicTimer(Look, time));
    }

    /// <summary>All seconds of the load; valid after it has ended.</summary>
    public IReadOnlyList<DecisionRate> Rates => _series.Rates;

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _drawing;
        _series.Sample(isEnd: true);
        _terminal.EndProgress();
        _end.Dispose();
    }

    private async Task DrawAsync(PeriodicTimer timer)
    {
        using (timer)
        {
            try
            {
                for (var look = 1; await timer.WaitForNextTickAsync(_end.Token); look++)
                {
                    _series.Sample();
                    if (_isPlot)
                        _terminal.ShowPanel(Panel());
                    else if (look % LooksPerLogLine == 0)
                        _terminal.ShowProgress(Describe());
                }
            }
            catch (OperationCanceledException)
            {
                // The load has ended.
            }
        }
    }

    private IReadOnlyList<string> Panel() => TerminalConsole.ToAnsi(
        [.. DecisionPlot.Latest(Rates, _terminal.Width), Spectre.Console.Markup.Escape(Cut(Describe()))]);

    private string Cut(string line) => line.Length < _terminal.Width ? line : line[..(_terminal.Width - 1)];

    private string Describe()
    {
        var counts = _decisions.Counts;
        return $"{_meter.Describe(Calls)}  {Text.Of(counts.Allowed)} allowed  {Text.Of(counts.Denied)} denied"
            + (Rates is [.., { Local: > 0 } last] ? $"  Redis is away: {Text.Of((long)last.Local)}/s decided without it" : "");
    }
}
