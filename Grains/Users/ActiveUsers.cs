using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.Users;

/// <summary>
/// The active users of this silo, under a ceiling on their memory. Near the ceiling, idle users are evicted. A call that needs
/// memory waits briefly; if none becomes free, it is refused before anything has changed.
/// </summary>
internal sealed partial class ActiveUsers : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    // The maximum wait of a call for room: while users fill it, and in total.
    private static readonly TimeSpan LongestFull = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LastPause = TimeSpan.FromMilliseconds(160);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(10);

    private readonly UserMemory _memory;
    private readonly EvictionQueue _queue = new();
    private readonly UserEviction _eviction;
    private readonly LogThrottle _refusalLog;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    // Interlocked; any thread.
    private long _refused;

    public ActiveUsers(IOptions<UserOptions> options, HeapPressure heap, TimeProvider clock, ILogger<ActiveUsers> logger)
    {
        (_clock, _logger) = (clock, logger);
        _memory = new UserMemory(options.Value.MaxMemory, heap);
        _eviction = new UserEviction(_memory, _queue, heap, clock, logger);
        _refusalLog = new LogThrottle(LogEvery, clock);
    }

    /// <inheritdoc cref="UserMemory.Count"/>
    public long Count => _memory.Count;

    /// <inheritdoc cref="UserMemory.Bytes"/>
    public long Bytes => _memory.Bytes;

    /// <inheritdoc cref="UserMemory.MaxBytes"/>
    public long MaxBytes => _memory.MaxBytes;

    /// <summary>Users evicted to make room.</summary>
    public long Shed => _queue.Shed;

    /// <summary>Calls refused because there was no room.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>Refuses a write while the heap is almost full, regardless of the budgets.</summary>
    /// <exception cref="OverloadedException">The heap is almost full.</exception>
    public void Admit()
    {
        if (_memory.Heap == HeapLevel.Critical) throw Refuse();
    }

    public void Enter(ActiveUser user)
    {
        _memory.Enter(user.Bytes);
        _queue.Add(user);
        _eviction.SignalIfHigh();
    }

    public void Leave(ActiveUser user)
    {
        _queue.Remove(user);
        _memory.Leave(user.Bytes);
    }

    /// <summary>Applies a change of <paramref name="more"/> uncounted bytes in what <paramref name="user"/> holds.</summary>
    public void Changed(ActiveUser user, long more, bool isUser)
    {
        if (more != 0) _memory.Add(more);
        _queue.Move(user, isUser);
        _eviction.SignalIfHigh();
    }

    public bool TryGrow(long more) => _memory.TryGrow(more);

    public Task GrowAsync(ActiveUser user, long state) => WaitForRoomAsync(user, () => user.TryHold(state));

    public ValueTask ReserveLoadAsync(ActiveUser user) =>
        _memory.TryReserveLoad() ? default : new(WaitForRoomAsync(user, _memory.TryReserveLoad));

    public void ReleaseLoad() => _memory.ReleaseLoad();

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(ActiveUsers),
        ServiceLifecycleStage.RuntimeStorageServices,
        _ =>
        {
            _eviction.Start();
            return Task.CompletedTask;
        },
        _ => _eviction.StopAsync());

    public void Dispose() => _eviction.Dispose();

    /// <summary>Counts a refused call and creates its error.</summary>
    public OverloadedException Refuse()
    {
        Interlocked.Increment(ref _refused);
        if (_refusalLog.IsDue()) LogRefused(_logger, Count, Bytes, MaxBytes, _memory.Heap);
        return new OverloadedException(
            $"The silo has no memory for this call: {Count:N0} users use {Bytes:N0} of {MaxBytes:N0} bytes"
            + $" ({UserOptions.Section}:{nameof(UserOptions.MaxMemory)}), and its heap is {_memory.Heap}. Nothing was changed; try again later.",
            RetryAfter);
    }

    private async Task WaitForRoomAsync(ActiveUser user, Func<bool> tryTake)
    {
        _eviction.Signal();

        // The user is in use, so it must not be evicted while it waits.
        user.Pin();
        try
        {
            var began = _clock.GetTimestamp();
            long? full = null;
            for (var pause = FirstPause; _memory.MayWait && _clock.GetElapsedTime(began) < Longest; pause = pause < LastPause ? 2 * pause : LastPause)
            {
                await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), _clock);
                if (tryTake()) return;

                // If only other loads occupy the room, they end soon and this call gets its turn.
                full = _memory.IsFull ? full ?? _clock.GetTimestamp() : null;
                if (full is { } since && _clock.GetElapsedTime(since) >= LongestFull) break;
            }
        }
        finally
        {
            user.Unpin();
        }

        throw Refuse();
    }

    [LoggerMessage(EventId = 2001, Level = LogLevel.Warning, Message =
        "Refused a call: {Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}, and none was idle. Logged at most every 10 minutes")]
    private static partial void LogRefused(ILogger logger, long count, long bytes, long limit, HeapLevel heap);
}
