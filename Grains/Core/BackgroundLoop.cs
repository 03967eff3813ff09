using Microsoft.Extensions.Logging;

namespace Actors.Core;

/// <summary>
/// A loop in the background that outlives its failures: a pass that throws is logged, is shown by the silo's health until a
/// pass succeeds, and is repeated after a pause that grows. Run by one task at a time.
/// </summary>
/// <param name="name">What the loop does, for people.</param>
/// <param name="loops">Where its failures are shown.</param>
/// <param name="clock">The clock of its pauses.</param>
/// <param name="logger">Where its failures are logged.</param>
internal sealed partial class BackgroundLoop(string name, BackgroundLoops loops, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(5);

    private readonly SafeLogger _logger = new(logger);

    // Written by the one task, read by any thread.
    private volatile FailingLoop? _failing;

    /// <summary>True from a pass that failed until one that succeeds.</summary>
    public bool IsFailing => _failing is not null;

    /// <summary>Runs <paramref name="pass"/> again and again until it returns false or <paramref name="stop"/> is requested. Throws nothing.</summary>
    public async Task RunAsync(Func<CancellationToken, Task<bool>> pass, CancellationToken stop)
    {
        var pause = FirstPause;
        while (true)
        {
            try
            {
                var goesOn = await pass(stop);
                Succeeded();
                if (!goesOn) return;
                pause = FirstPause;
            }
            catch (Exception error)
            {
                // Once it is to end, it ends, whatever the pass makes of that.
                if (stop.IsCancellationRequested) break;
                Failed(error, pause);
                if (!await PauseAsync(pause, stop)) break;
                pause = pause * 2 < LastPause ? pause * 2 : LastPause;
            }
        }

        // A loop that has ended fails no more.
        loops.Recovered(this);
    }

    /// <summary>For a pass that lasts: says that it has done what it is there for.</summary>
    public void Succeeded()
    {
        if (_failing is not { } was) return;
        _failing = null;
        loops.Recovered(this);
        LogRecovered(_logger, name, was.Failures);
    }

    private void Failed(Exception error, TimeSpan pause)
    {
        var was = _failing;
        var now = new FailingLoop(name, was?.Since ?? clock.GetUtcNow(), (was?.Failures ?? 0) + 1, error.Message);
        _failing = now;
        loops.Failed(this, now);

        // Once for each error rather than for each pass.
        if (was?.Error == now.Error) LogFailsStill(_logger, name, now.Failures, pause);
        else LogFailed(_logger, name, pause, error);
    }

    private async Task<bool> PauseAsync(TimeSpan pause, CancellationToken stop)
    {
        try
        {
            // Jitter, so that loops that failed for one reason do not come back at once.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), clock, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(EventId = 901, Level = LogLevel.Error, Message = "{Loop} failed unexpectedly; it is run again in about {Pause}")]
    private static partial void LogFailed(ILogger logger, string loop, TimeSpan pause, Exception error);

    [LoggerMessage(EventId = 902, Level = LogLevel.Debug, Message = "{Loop} failed again, {Failures} times in a row; it is run again in about {Pause}")]
    private static partial void LogFailsStill(ILogger logger, string loop, long failures, TimeSpan pause);

    [LoggerMessage(EventId = 903, Level = LogLevel.Information, Message = "{Loop} works again after {Failures} failures")]
    private static partial void LogRecovered(ILogger logger, string loop, long failures);
}
