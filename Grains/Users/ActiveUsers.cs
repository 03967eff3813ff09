using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors.Users;

/// <summary>
/// The users in this silo's memory, under a ceiling on their bytes. Near the ceiling idle users are deactivated (the clock
/// algorithm), activations that hold no user first. A call that needs memory waits a moment for that; if none becomes free it
/// is refused before anything has changed.
/// </summary>
/// <remarks>
/// This is an ordinary deactivation: what is only in memory is committed, then the key is released. A user whose rows are
/// not flushed yet may leave, because the queue and the journal hold them.
/// </remarks>
internal sealed partial class ActiveUsers : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>
    /// What an activation takes beside the user's state: the objects of Orleans and ours, its places in the tables of
    /// activations, the working set and the directory (measured, rounded up).
    /// </summary>
    public const int Overhead = 5 * 1024;

    /// <summary>What a load takes until its size is known: the largest user there may be, decoded, and its document.</summary>
    public const int LargestLoad = 4 * UserLimits.MaxUserBytes;

    // So many leave at once: each release is a question to Redis, asked together with others.
    private const int MostLeaving = 1_000;
    private const int MostLooks = 4_000;

    // How long a call waits for room: for others to leave, and in all.
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

    // All that is counted, and of it what loads have reserved and what users hold that were told to leave. Interlocked.
    private readonly MemoryBudget _held;
    private long _reserved;
    private long _leaving;

    private long _count;
    private long _shed;
    private long _refused;

    // Guards the queues, their nodes and who is leaving; held for a few steps, never over an await.
    private readonly Lock _gate = new();

    // Activations that hold no user, and those that do: the first is the next to be looked at.
    private readonly LinkedList<ActiveUser> _empty = new();
    private readonly LinkedList<ActiveUser> _users = new();
    private int _leavingCount;

    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    // When users last left for the heap's sake. Touched by the one loop only.
    private long _heapShed;

    // When it was last logged, in ticks of the clock; 0 for never. Of two threads that log at once both may.
    private long _sheddingLogged;
    private long _refusalLogged;

    public ActiveUsers(IOptions<UserOptions> options, HeapPressure heap, TimeProvider clock, ILogger<ActiveUsers> logger)
    {
        (_heap, _clock, _logger) = (heap, clock, logger);
        _held = new MemoryBudget(options.Value.MaxMemory);
    }

    /// <summary>Activations in memory.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>What they take.</summary>
    public long Bytes => _held.Used - Volatile.Read(ref _reserved);

    /// <summary>The ceiling on that.</summary>
    public long MaxBytes => _held.Ceiling;

    /// <summary>Users that were told to leave to make room.</summary>
    public long Shed => Volatile.Read(ref _shed);

    /// <summary>Calls that were refused since there was no room.</summary>
    public long Refused => Volatile.Read(ref _refused);

    // Users leave from there on, until so much is left. Loads leave room above them: what is in memory may still grow.
    private long ShedFrom => _held.Ceiling / 16 * 13;

    private long ShedTo => _held.Ceiling / 16 * 12;

    private long LoadUpTo => _held.Ceiling / 16 * 15;

    // Without those that were told to leave.
    private long Staying => Bytes - Volatile.Read(ref _leaving);

    // Whatever loads have reserved, and will give back.
    private bool IsFull => _heap.Level != HeapLevel.Normal || Bytes + LargestLoad > LoadUpTo;

    // Activations that wait for room take memory as well: beyond that a call is refused at once.
    private long WaitUpTo => _held.Ceiling / 16 * 17;

    /// <summary>Refuses a write while the heap is all but full, whatever the budgets say.</summary>
    /// <exception cref="OverloadedException">It is.</exception>
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

    /// <summary>What <paramref name="user"/> holds has changed by so many bytes that are not counted yet.</summary>
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

    // Also after a start that failed, when nobody stops it. The loop may still look at both, and they hold nothing that must be freed.
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

        // Nobody tells it to leave while it waits: it is in use.
        user.Pin();
        try
        {
            var began = _clock.GetTimestamp();
            long? full = null;
            for (var pause = FirstPause; Bytes <= WaitUpTo && _clock.GetElapsedTime(began) < Longest; pause = pause < LastPause ? 2 * pause : LastPause)
            {
                await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), _clock);
                if (tryTake()) return;

                // If it is only other loads that take the room, their end is near, and this one's turn comes.
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

    /// <summary>Counts and makes the error of a call that there is no memory for.</summary>
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
            // It is in neither once it was told to leave.
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
            // Another thread did so at the same moment, or the silo is at its end.
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
                    // Looked at again in a moment; until then calls that find no room are refused.
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
            // Whatever is counted. Not all at once: the heap shows what that brings only after a collection.
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
                // A call may have come since it was chosen; what is left of that race is a few microseconds.
                if (user.IsPinned || user.TakeUse()) Keep(user);
                else user.Context.Deactivate(new(DeactivationReasonCode.HighMemoryPressure, "The user was idle, and its silo needs the memory."));
            }

            // All are in use, or as many are leaving as may at once: some time passes first.
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

    // Second chance: one that was called since the last look goes to the end of the queue.
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

            // As it is now: what it takes may change until it has left.
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
            // It may have ended by itself meanwhile.
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

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}: deactivating idle users. Logged at most every 10 minutes")]
    private static partial void LogShedding(ILogger logger, long count, long bytes, long limit, HeapLevel heap);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Refused a call: {Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}, and none was idle. Logged at most every 10 minutes")]
    private static partial void LogRefused(ILogger logger, long count, long bytes, long limit, HeapLevel heap);

    [LoggerMessage(Level = LogLevel.Error, Message = "Failed to look for idle users; trying again")]
    private static partial void LogDefect(ILogger logger, Exception error);
}
