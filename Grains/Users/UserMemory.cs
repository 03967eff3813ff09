using Actors.Core;

namespace Actors.Users;

/// <summary>
/// The memory account of a silo's users: what their activations hold and what loads have reserved, against a ceiling, with the
/// thresholds that follow from it. Safe for any thread: the counters are interlocked.
/// </summary>
internal sealed class UserMemory(long ceiling, HeapPressure heap)
{
    /// <summary>The bytes reserved for a load of unknown size: the largest possible user, decoded, and its document.</summary>
    private const int LargestLoad = 4 * UserLimits.MaxUserBytes;

    // All counted bytes, including those reserved by loads.
    private readonly MemoryBudget _held = new(ceiling);
    private long _reserved;
    private long _count;

    /// <summary>Activations in memory.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The memory they use, in bytes.</summary>
    public long Bytes => _held.Used - Volatile.Read(ref _reserved);

    /// <summary>The ceiling on <see cref="Bytes"/>.</summary>
    public long MaxBytes => ceiling;

    /// <summary>How full the heap was at the last measurement.</summary>
    public HeapLevel Heap => heap.Level;

    /// <summary>Eviction starts above this.</summary>
    public long ShedFrom => ceiling / 16 * 13;

    /// <summary>Eviction ends at this.</summary>
    public long ShedTo => ceiling / 16 * 12;

    /// <summary>True if no load fits. Ignores reservations of other loads, which are released soon.</summary>
    public bool IsFull => Heap != HeapLevel.Normal || Bytes + LargestLoad > LoadUpTo;

    /// <summary>True while calls may wait for room. Waiting activations take memory as well, so beyond this calls are refused at once.</summary>
    public bool MayWait => Bytes <= ceiling / 16 * 17;

    // Loads stop at this, so users in memory can still grow.
    private long LoadUpTo => ceiling / 16 * 15;

    /// <summary>Counts a new activation.</summary>
    public void Enter(long bytes)
    {
        Interlocked.Increment(ref _count);
        _held.Add(bytes);
    }

    /// <summary>Removes an activation that has ended.</summary>
    public void Leave(long bytes)
    {
        _held.Add(-bytes);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>Counts bytes that an activation holds already, or returns bytes if negative.</summary>
    public void Add(long more) => _held.Add(more);

    /// <summary>Counts what a user is about to grow by; false, and nothing counted, if there is no room.</summary>
    public bool TryGrow(long more) => Heap == HeapLevel.Normal && _held.TryTake(more, ceiling);

    /// <summary>Reserves memory for one load; false, and nothing reserved, if there is no room.</summary>
    public bool TryReserveLoad()
    {
        if (Heap != HeapLevel.Normal || !_held.TryTake(LargestLoad, LoadUpTo)) return false;
        Interlocked.Add(ref _reserved, LargestLoad);
        return true;
    }

    /// <summary>Releases what <see cref="TryReserveLoad"/> reserved.</summary>
    public void ReleaseLoad()
    {
        Interlocked.Add(ref _reserved, -LargestLoad);
        _held.Add(-LargestLoad);
    }
}
