using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The state of backpressure, kept up to date by whoever changes the bytes in use; each change is counted and logged once.
/// Any thread looks. As long as nothing changes that costs two comparisons.
/// </summary>
internal sealed partial class PressureGauge(
    WriteBehindOptions options, Func<bool> isFailing, WriteBehindCounters counters, TimeProvider clock, ILogger logger)
{
    /// <summary>How long the database must have failed nothing to count as taking rows again: a flaky one is no reason to go to and fro.</summary>
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);

    private readonly long _ceiling = options.MaxUnflushedBytes;
    private readonly long _quiet = Backpressure.EnteredAt(WriteBehindState.Slowing, options.MaxUnflushedBytes);

    // Makes the changes one by one, so that each is told once and from the state it was made in.
    private readonly Lock _gate = new();

    // Written under the lock, read by any thread.
    private volatile WriteBehindState _state;

    // When the database was last seen to fail, or 0. Any thread writes it, whole; which of two that look at once is later does not matter.
    private long _failed;

    /// <summary>The state as of the last change of the bytes in use.</summary>
    public WriteBehindState State => _state;

    /// <summary>True unless the database refuses what it is given, or did so a moment ago.</summary>
    public bool IsTaking
    {
        get
        {
            if (isFailing())
            {
                Volatile.Write(ref _failed, Math.Max(clock.GetTimestamp(), 1));
                return false;
            }

            var failed = Volatile.Read(ref _failed);
            return failed == 0 || clock.GetElapsedTime(failed) >= Calm;
        }
    }

    /// <summary>The state now that <paramref name="used"/> bytes are in use.</summary>
    public WriteBehindState Look(long used)
    {
        var state = _state;
        if (state == WriteBehindState.Buffering && used < _quiet) return state;
        var isTaking = IsTaking;
        return Backpressure.Next(state, used, _ceiling, isTaking) == state ? state : Change(used, isTaking);
    }

    private WriteBehindState Change(long used, bool isTaking)
    {
        lock (_gate)
        {
            var (from, to) = (_state, Backpressure.Next(_state, used, _ceiling, isTaking));
            if (from == to) return to;
            _state = to;
            counters.Entered(to);
            Log(logger, to > from ? LogLevel.Warning : LogLevel.Information, from, to, used, _ceiling, isTaking ? "takes rows" : "took none of late");
            return to;
        }
    }

    [LoggerMessage(Message =
        "Write-behind {From} -> {To}: {Bytes} bytes wait to be written to the database, which {Takes}; {Ceiling} are allowed")]
    private static partial void Log(
        ILogger logger, LogLevel level, WriteBehindState from, WriteBehindState to, long bytes, long ceiling, string takes);
}
