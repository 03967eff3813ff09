namespace Actors.Users;

/// <summary>
/// The memory account of a user, held by its grain from activation to deactivation. The grain's turns update it;
/// <see cref="UserEviction"/> reads it from its own loop to choose users for eviction.
/// </summary>
internal sealed class ActiveUser : IDisposable
{
    /// <summary>
    /// The bytes of an activation besides the user's state: Orleans' objects and ours, and its entries in the activation table, the
    /// working set and the directory (measured, rounded up).
    /// </summary>
    private const int Overhead = 5 * 1024;

    private readonly ActiveUsers _users;

    // Written by turns of the grain; _wasUsed also by reads without a turn, and by the eviction loop. That loop may read stale values:
    // then a user stays for another round, or is evicted although a call has just arrived, which its next activation answers.
    private int _pins;
    private bool _wasUsed = true;
    private long _bytes = Overhead;

    public ActiveUser(ActiveUsers users, IGrainContext context)
    {
        _users = users;
        Context = context;
        Node = new(this);
        users.Enter(this);
    }

    /// <summary>The activation.</summary>
    public IGrainContext Context { get; }

    /// <summary>Its node in the eviction queue. Accessed under the lock of <see cref="EvictionQueue"/>.</summary>
    public LinkedListNode<ActiveUser> Node { get; }

    /// <summary>Its bytes when it was chosen for eviction; 0 before. Accessed under that lock.</summary>
    public long LeavingBytes { get; set; }

    /// <summary>True once the activation has ended. Set under that lock, when the grain is disposed.</summary>
    public bool IsGone { get; set; }

    /// <summary>True once it was chosen for eviction. Read under that lock.</summary>
    public bool IsLeaving => LeavingBytes > 0;

    /// <summary>The memory it uses, in bytes.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>True while the grain has work in progress: a load, a write, or a call that waits for a commit.</summary>
    public bool IsPinned => Volatile.Read(ref _pins) > 0;

    /// <summary>Records a call. Skips the write if nothing changes: it would invalidate the cache line on other cores.</summary>
    public void Use()
    {
        if (!_wasUsed) _wasUsed = true;
    }

    /// <summary>Returns whether a call arrived since the last query, and resets that.</summary>
    public bool TakeUse()
    {
        var wasUsed = _wasUsed;
        _wasUsed = false;
        return wasUsed;
    }

    public void Pin() => _pins++;

    public void Unpin() => _pins--;

    /// <summary>Reserves memory for one load of unknown size until <see cref="EndLoad"/>. May wait for room.</summary>
    /// <exception cref="OverloadedException">There is no room, and no other user was evicted in time.</exception>
    public ValueTask BeginLoadAsync() => _users.ReserveLoadAsync(this);

    /// <summary>Releases what <see cref="BeginLoadAsync"/> reserved.</summary>
    public void EndLoad() => _users.ReleaseLoad();

    /// <summary>Counts the state as <paramref name="state"/> bytes, 0 for none, even without room: it is in memory already.</summary>
    public void Hold(long state)
    {
        if (IsGone) return;
        var more = Overhead + state - _bytes;
        Volatile.Write(ref _bytes, _bytes + more);
        _users.Changed(this, more, isUser: state > 0);
    }

    /// <summary>Like <see cref="Hold"/>, before the state grows: false, and nothing counted, if there is no room.</summary>
    public bool TryHold(long state)
    {
        if (IsGone) return true;
        var more = Overhead + state - _bytes;
        if (more > 0 && !_users.TryGrow(more)) return false;
        Volatile.Write(ref _bytes, _bytes + more);
        _users.Changed(this, more > 0 ? 0 : more, isUser: true);
        return true;
    }

    /// <summary>Waits until there is room for <paramref name="state"/>, then counts it.</summary>
    /// <exception cref="OverloadedException">There is no room, and no other user was evicted in time. Nothing is counted.</exception>
    public Task HoldAsync(long state) => _users.GrowAsync(this, state);

    /// <summary>The activation has ended.</summary>
    public void Dispose()
    {
        if (!IsGone) _users.Leave(this);
    }
}
