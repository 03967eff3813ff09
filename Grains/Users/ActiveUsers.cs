using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.Users;

/// <summary>
/// The active users of this silo, under a ceiling on their memory. Near the ceiling, idle users are evicted (clock algorithm),
/// activations without a user first. A call that needs memory waits briefly; if none becomes free, it is refused before anything
/// has changed.
/// </summary>
/// <remarks>
/// Eviction is an ordinary deactivation: writes that are only in memory are committed, then the key is released. Users with
/// unflushed rows may be evicted, because the queue and the journal hold the rows.
/// </remarks>
internal sealed partial class ActiveUsers : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>
    /// The bytes of an activation besides the user's state: Orleans' objects and ours, and its entries in the activation table, the
    /// working set and the directory (measured, rounded up).
    /// </summary>
    public const int Overhead = 5 * 1024;

    /// <summary>The bytes reserved for a load of unknown size: the largest possible user, decoded, and its document.</summary>
    public const int LargestLoad = 4 * UserLimits.MaxUserBytes;

    // The maximum concurrent evictions: each release is a request to Redis, batched with others.
    private const int MostLeaving = 1_000;
    private const int MostLooks = 4_000;

    // The maximum wait of a call for room: while users fill it, and in total.
    private static readonly TimeSpan LongestFull = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LastPause = TimeSpan.FromMilliseconds(160);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(10);

    private readonly HeapPressure _heap;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    // All counted bytes; those reserved by loads; those of users chosen for eviction. Interlocked.
    private readonly MemoryBudget _held;
    private long _reserved;
    private long _leaving;

    private long _count;
    private long _shed;
    private long _refused;

    // Guards the queues, their nodes and the eviction counts; held for a few steps, never over an await.
    private readonly Lock _gate = new();

    // Activations without a user, and those with one: the first is examined next.
    private readonly LinkedList<ActiveUser> _empty = new();
    private readonly LinkedList<ActiveUser> _users = new();
    private int _leavingCount;

    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    // When users were last evicted because of the heap. Accessed by the loop only.
    private long _heapShed;

    // The clock's timestamp of the last log line; 0 for never. Two threads that log at once may both log.
    private long _sheddingLogged;
    private long _refusalLogged;

    public ActiveUsers(IOptions<UserOptions> options, HeapPressure heap, TimeProvider clock, ILogger<ActiveUsers> logger)
    {
        (_heap, _clock, _logger) = (heap, clock, logger);
        _held = new MemoryBudget(options.Value.MaxMemory);
    }

    /// <summary>Activations in memory.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The memory they use, in bytes.</summary>
    public long Bytes => _held.Used - Volatile.Read(ref _reserved);

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    public long MaxBytes => _held.Ceiling;

    /// <summary>Users evicted to make room.</summary>
    public long Shed => Volatile.Read(ref _shed);

    /// <summary>Calls refused because there was no room.</summary>
    public long Refused => Volatile.Read(ref _refused);

    // Eviction starts at ShedFrom and ends at ShedTo. Loads stop at LoadUpTo, so users in memory can still grow.
    private long ShedFrom => _held.Ceiling / 16 * 13;

    private long ShedTo => _held.Ceiling / 16 * 12;

    private long LoadUpTo => _held.Ceiling / 16 * 15;

    // Without users chosen for eviction.
    private long Staying => Bytes - Volatile.Read(ref _leaving);

    // Ignores reservations of loads, which are released soon.
    private bool IsFull => _heap.Level != HeapLevel.Normal || Bytes + LargestLoad > LoadUpTo;

    // Waiting activations take memory as well; beyond this, calls are refused at once.
    private long WaitUpTo => _held.Ceiling / 16 * 17;

    /// <summary>Refuses a write while the heap is almost full, regardless of the budgets.</summary>
    /// <exception cref="OverloadedException">The heap is almost full.</exception>
    public void Admit()
    {
        if (_heap.Level == HeapLevel.Critical) throw Refuse();
    }

    public void Enter(ActiveUser user)
    {
        Interlocked.Increment(ref _count);
        _held.Add(user.Bytes);
        lock (_gate) _empty.AddLast(user.Node);
        SignalIfHigh();
    }

    public void Leave(ActiveUser user)
    {
        lock (_gate)
        {
            user.IsGone = true;
            user.Node.List?.Remove(user.Node);
            if (user.IsLeaving)
            {
                _leavingCount--;
                _leaving -= user.LeavingBytes;
            }
        }

        _held.Add(-user.Bytes);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>Applies a change of <paramref name="more"/> uncounted bytes in what <paramref name="user"/> holds.</summary>
    public void Changed(ActiveUser user, long more, bool isUser)
    {
        if (more != 0) _held.Add(more);
        if (user.Node.List != (isUser ? _users : _empty)) Move(user, isUser);
        SignalIfHigh();
    }

    public bool TryGrow(long more) => _heap.Level == HeapLevel.Normal && _held.TryTake(more, _held.Ceiling);

    public Task GrowAsync(ActiveUser user, long state) => WaitForRoomAsync(user, () => user.TryHold(state));

    public ValueTask ReserveLoadAsync(ActiveUser user) => TryReserveLoad() ? default : new(WaitForRoomAsync(user, TryReserveLoad));

    public void ReleaseLoad()
    {
        Interlocked.Add(ref _reserved, -LargestLoad);
        _held.Add(-LargestLoad);
    }

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(ActiveUsers),
        ServiceLifecycleStage.RuntimeStorageServices,
        _ =>
        {
            _running = Task.Run(RunAsync, CancellationToken.None);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _running;
        });

    // Also runs after a failed start without a stop. The loop may still use both, and they hold nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    private bool TryReserveLoad()
    {
        if (_heap.Level != HeapLevel.Normal || !_held.TryTake(LargestLoad, LoadUpTo)) return false;
        Interlocked.Add(ref _reserved, LargestLoad);
        return true;
    }

    private async Task WaitForRoomAsync(ActiveUser user, Func<bool> tryTake)
    {
        Signal();

        // The user is in use, so it must not be evicted while it waits.
        user.Pin();
        try
        {
            var began = _clock.GetTimestamp();
            long? full = null;
            for (var pause = FirstPause; Bytes <= WaitUpTo && _clock.GetElapsedTime(began) < Longest; pause = pause < LastPause ? 2 * pause : LastPause)
            {
                await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), _clock);
                if (tryTake()) return;

                // If only other loads occupy the room, they end soon and this call gets its turn.
                full = IsFull ? full ?? _clock.GetTimestamp() : null;
                if (full is { } since && _clock.GetElapsedTime(since) >= LongestFull) break;
            }
        }
        finally
        {
            user.Unpin();
        }

        throw Refuse();
    }

    /// <summary>Counts a refused call and creates its error.</summary>
    public OverloadedException Refuse()
    {
        Interlocked.Increment(ref _refused);
        if (IsToBeLogged(ref _refusalLogged)) LogRefused(_logger, Count, Bytes, MaxBytes, _heap.Level);
        return new OverloadedException(
            $"The silo has no memory for this call: {Count:N0} users use {Bytes:N0} of {MaxBytes:N0} bytes"
            + $" ({UserOptions.Section}:{nameof(UserOptions.MaxMemory)}), and its heap is {_heap.Level}. Nothing was changed; try again later.",
            RetryAfter);
    }

    private void Move(ActiveUser user, bool isUser)
    {
        lock (_gate)
        {
            // It is in neither queue once it was chosen for eviction.
            if (user.IsLeaving || user.Node.List is not { } list) return;
            list.Remove(user.Node);
            (isUser ? _users : _empty).AddLast(user.Node);
        }
    }

    private void SignalIfHigh()
    {
        if (Bytes > ShedFrom) Signal();
    }

    private void Signal()
    {
        if (_signal.CurrentCount > 0) return;
        try
        {
            _signal.Release();
        }
        catch (Exception error) when (error is SemaphoreFullException or ObjectDisposedException)
        {
            // Another thread released it at the same moment, or the silo is stopping.
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _signal.WaitAsync(LookEvery, _stop.Token);
                try
                {
                    _heap.Look();
                    await ShedAsync();
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // Retried shortly; until then calls without room are refused.
                    LogDefect(_logger, error);
                    await Task.Delay(LookEvery, _clock, _stop.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private async Task ShedAsync()
    {
        var (from, to) = (ShedFrom, ShedTo);
        if (_heap.Level != HeapLevel.Normal && _clock.GetElapsedTime(_heapShed) >= LookEvery)
        {
            // Regardless of the counted bytes, but in steps: the heap shows the effect only after a collection.
            _heapShed = _clock.GetTimestamp();
            (from, to) = (0, Math.Min(ShedTo, Staying / 8 * 7));
        }

        if (Staying <= from) return;
        if (IsToBeLogged(ref _sheddingLogged)) LogShedding(_logger, Count, Bytes, MaxBytes, _heap.Level);
        while (Staying > to)
        {
            var leaving = Choose(Staying - to);
            foreach (var user in leaving)
            {
                // A call may have arrived since the choice; the remaining race is a few microseconds.
                if (user.IsPinned || user.TakeUse()) Keep(user);
                else user.Context.Deactivate(new(DeactivationReasonCode.HighMemoryPressure, "The user was idle, and its silo needs the memory."));
            }

            // All users are in use, or the maximum number is leaving: wait a moment.
            if (leaving.Count > 0) continue;
            await Task.Delay(FirstPause, _clock, _stop.Token);
            if (Volatile.Read(ref _leavingCount) == 0) return;
            _heap.Look();
        }
    }

    private List<ActiveUser> Choose(long bytes)
    {
        var chosen = new List<ActiveUser>();
        lock (_gate)
        {
            bytes = Choose(_empty, bytes, chosen);
            Choose(_users, bytes, chosen);
        }

        return chosen;
    }

    // Second chance: a user that was called since the last look goes to the end of the queue.
    private long Choose(LinkedList<ActiveUser> queue, long bytes, List<ActiveUser> chosen)
    {
        for (var looks = Math.Min(2 * queue.Count, MostLooks); looks > 0 && bytes > 0 && _leavingCount < MostLeaving; looks--)
        {
            if (queue.First is not { } node) break;
            queue.Remove(node);
            if (node.Value.IsPinned || node.Value.TakeUse())
            {
                queue.AddLast(node);
                continue;
            }

            // Remember the current size: it may change until the user has left.
            node.Value.LeavingBytes = node.Value.Bytes;
            _leavingCount++;
            _leaving += node.Value.LeavingBytes;
            bytes -= node.Value.LeavingBytes;
            _shed++;
            chosen.Add(node.Value);
        }

        return bytes;
    }

    private void Keep(ActiveUser user)
    {
        lock (_gate)
        {
            // The activation may have ended by itself meanwhile.
            if (!user.IsLeaving || user.IsGone) return;
            _leavingCount--;
            _leaving -= user.LeavingBytes;
            _shed--;
            user.LeavingBytes = 0;
            _users.AddLast(user.Node);
        }
    }

    private bool IsToBeLogged(ref long logged)
    {
        var (now, last) = (Math.Max(_clock.GetTimestamp(), 1), Volatile.Read(ref logged));
        if (last != 0 && _clock.GetElapsedTime(last, now) < LogEvery) return false;
        Volatile.Write(ref logged, now);
        return true;
    }

    [LoggerMessage(EventId = 2000, Level = LogLevel.Warning, Message =
        "{Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}: deactivating idle users. Logged at most every 10 minutes")]
    private static partial void LogShedding(ILogger logger, long count, long bytes, long limit, HeapLevel heap);

    [LoggerMessage(EventId = 2001, Level = LogLevel.Warning, Message =
        "Refused a call: {Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}, and none was idle. Logged at most every 10 minutes")]
    private static partial void LogRefused(ILogger logger, long count, long bytes, long limit, HeapLevel heap);

    [LoggerMessage(EventId = 2002, Level = LogLevel.Error, Message = "Choosing idle users for eviction failed; retrying")]
    private static partial void LogDefect(ILogger logger, Exception error);
}
