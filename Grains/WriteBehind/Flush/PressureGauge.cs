using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The state of backpressure, updated on each change of the bytes in use. Each transition is counted and logged once. Safe for
/// any thread. Without a transition, an update costs two comparisons.
/// </summary>
internal sealed partial class PressureGauge(
    WriteBehindOptions options, Func<bool> isFailing, WriteBehindCounters counters, TimeProvider clock, ILogger logger)
{
    /// <summary>How long the database must work without a failure before it counts as accepting rows. Hysteresis: avoids flapping.</summary>
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);

    private readonly long _ceiling = options.MaxUnflushedBytes;
    private readonly long _quiet = Backpressure.EnteredAt(WriteBehindState.Slowing, options.MaxUnflushedBytes);

    // Serializes transitions, so that each is reported once and from the right state.
    private readonly Lock _gate = new();

    // Written under the lock, read by any thread.
    private volatile WriteBehindState _state;

    // The timestamp of the last failure seen, or 0. Any thread writes it atomically; the order of concurrent writes does not matter.
    private long _failed;

    /// <summary>The state as of the last change of the bytes in use.</summary>
    public WriteBehindState State => _state;

    /// <summary>True unless the database rejects rows now or did so within the last second.</summary>
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
            Log(logger, to > from ? LogLevel.Warning : LogLevel.Information, from, to, used, _ceiling, isTaking ? "accepts rows" : "is failing");
            return to;
        }
    }

    [LoggerMessage(EventId = 1508, Message =
        "Write-behind {From} -> {To}: {Bytes} bytes wait to be written to the database, which {DatabaseState}; the limit is {Ceiling}")]
    private static partial void Log(
        ILogger logger, LogLevel level, WriteBehindState from, WriteBehindState to, long bytes, long ceiling, string databaseState);
}
