using Microsoft.Extensions.Logging;

namespace Actors.Core;

/// <summary>
/// A background loop that survives its failures. A pass that throws is logged and repeated after a growing pause. The silo's
/// health shows the failure until a pass succeeds. One task runs the loop at a time.
/// </summary>
/// <param name="name">The name of the loop, for logs and health.</param>
/// <param name="loops">The registry that shows its failures.</param>
/// <param name="clock">The clock for its pauses.</param>
/// <param name="logger">The logger for its failures.</param>
internal sealed partial class BackgroundLoop(string name, BackgroundLoops loops, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(5);

    private readonly SafeLogger _logger = new(logger);

    // Written by the loop's task, read by any thread.
    private volatile FailingLoop? _failing;

    /// <summary>True from a failed pass until the next successful one.</summary>
    public bool IsFailing => _failing is not null;

    /// <summary>
    /// Runs <paramref name="pass"/> repeatedly until it returns false or <paramref name="stop"/> is requested. Throws nothing.
    /// </summary>
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
                // After a stop request, an error from the pass does not matter.
                if (stop.IsCancellationRequested) break;
                Failed(error, pause);
                if (!await PauseAsync(pause, stop)) break;
                pause = pause * 2 < LastPause ? pause * 2 : LastPause;
            }
        }

        // A loop that has ended no longer counts as failing.
        loops.Recovered(this);
    }

    /// <summary>Reports success from within a pass that runs for a long time.</summary>
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

        // Log an error with its stack only when it changes, not on each pass.
        if (was?.Error == now.Error) LogFailsStill(_logger, name, now.Failures, pause);
        else LogFailed(_logger, name, pause, error);
    }

    private async Task<bool> PauseAsync(TimeSpan pause, CancellationToken stop)
    {
        try
        {
            // Jitter: loops that failed for the same reason must not retry together.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), clock, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(EventId = 1000, Level = LogLevel.Error, Message = "{Loop} failed unexpectedly; retrying in about {Pause}")]
    private static partial void LogFailed(ILogger logger, string loop, TimeSpan pause, Exception error);

    [LoggerMessage(EventId = 1001, Level = LogLevel.Debug, Message = "{Loop} failed again, {Failures} times in a row; retrying in about {Pause}")]
    private static partial void LogFailsStill(ILogger logger, string loop, long failures, TimeSpan pause);

    [LoggerMessage(EventId = 1002, Level = LogLevel.Information, Message = "{Loop} works again after {Failures} failures")]
    private static partial void LogRecovered(ILogger logger, string loop, long failures);
}
