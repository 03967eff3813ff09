using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.Users;

/// <summary>
/// Evicts idle users near the ceiling on their memory, and when the heap is nearly full. One loop measures the heap and deactivates
/// users; any thread may wake it.
/// </summary>
/// <remarks>
/// Eviction is an ordinary deactivation: writes that are only in memory are committed, then the key is released. Users with
/// unflushed rows may be evicted, because the queue and the journal hold the rows.
/// </remarks>
internal sealed partial class UserEviction(UserMemory memory, EvictionQueue queue, HeapPressure heap, TimeProvider clock, ILogger logger)
    : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(10);

    private readonly LogThrottle _sheddingLog = new(LogEvery, clock);
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _stop = new();

    // Written by the start of the silo, read by its stop.
    private Task _running = Task.CompletedTask;

    // When users were last evicted because of the heap. Accessed by the loop only.
    private long _heapShed;

    // Without users chosen for eviction.
    private long Staying => memory.Bytes - queue.LeavingBytes;

    public void Start() => _running = Task.Run(RunAsync, CancellationToken.None);

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    // Also runs after a failed start without a stop. The loop may still use both, and they hold nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    /// <summary>Wakes the loop if users must be evicted.</summary>
    public void SignalIfHigh()
    {
        if (memory.Bytes > memory.ShedFrom) Signal();
    }

    /// <summary>Wakes the loop.</summary>
    public void Signal()
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
                    heap.Look();
                    await ShedAsync();
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // Retried shortly; until then calls without room are refused.
                    LogDefect(logger, error);
                    await Task.Delay(LookEvery, clock, _stop.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private async Task ShedAsync()
    {
        var (from, to) = (memory.ShedFrom, memory.ShedTo);
        if (heap.Level != HeapLevel.Normal && clock.GetElapsedTime(_heapShed) >= LookEvery)
        {
            // Regardless of the counted bytes, but in steps: the heap shows the effect only after a collection.
            _heapShed = clock.GetTimestamp();
            (from, to) = (0, Math.Min(to, Staying / 8 * 7));
        }

        if (Staying <= from) return;
        if (_sheddingLog.IsDue()) LogShedding(logger, memory.Count, memory.Bytes, memory.MaxBytes, heap.Level);
        while (Staying > to)
        {
            var leaving = queue.Choose(Staying - to);
            foreach (var user in leaving)
            {
                // A call may have arrived since the choice; the remaining race is a few microseconds.
                if (user.IsPinned || user.TakeUse()) queue.Keep(user);
                else user.Context.Deactivate(new(DeactivationReasonCode.HighMemoryPressure, "The user was idle, and its silo needs the memory."));
            }

            // All users are in use, or the maximum number is leaving: wait a moment.
            if (leaving.Count > 0) continue;
            await Task.Delay(Pause, clock, _stop.Token);
            if (queue.LeavingCount == 0) return;
            heap.Look();
        }
    }

    [LoggerMessage(EventId = 2000, Level = LogLevel.Warning, Message =
        "{Count} users use {Bytes} of {Limit} bytes (Actors:Users:MaxMemory), heap {Heap}: deactivating idle users. Logged at most every 10 minutes")]
    private static partial void LogShedding(ILogger logger, long count, long bytes, long limit, HeapLevel heap);

    [LoggerMessage(EventId = 2002, Level = LogLevel.Error, Message = "Choosing idle users for eviction failed; retrying")]
    private static partial void LogDefect(ILogger logger, Exception error);
}
