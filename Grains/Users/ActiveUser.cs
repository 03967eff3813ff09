namespace Actors.Users;

/// <summary>
/// A user's place in the memory of its silo, held by its grain from its activation to its end. The grain's turns change it;
/// <see cref="ActiveUsers"/> reads it from its own loop to find users that may leave.
/// </summary>
internal sealed class ActiveUser : IDisposable
{
    private readonly ActiveUsers _users;

    // By turns of the grain only. The loop that reads them may be late by a moment: then a user stays for a round longer,
    // or is told to leave though a call has just come, which is then answered by its next activation.
    private int _pins;
    private bool _wasUsed = true;
    private long _bytes = ActiveUsers.Overhead;

    public ActiveUser(ActiveUsers users, IGrainContext context)
    {
        _users = users;
        Context = context;
        Node = new(this);
        users.Enter(this);
    }

    /// <summary>The activation.</summary>
    public IGrainContext Context { get; }

    /// <summary>Its place in the queue of those that may leave. Touched under the lock of <see cref="ActiveUsers"/>.</summary>
    public LinkedListNode<ActiveUser> Node { get; }

    /// <summary>What it took when it was told to leave; 0 before. Touched under that lock.</summary>
    public long LeavingBytes { get; set; }

    /// <summary>True once the activation has ended. Set under that lock, in a turn of the grain's end.</summary>
    public bool IsGone { get; set; }

    /// <summary>True from when it was told to leave. Read under that lock.</summary>
    public bool IsLeaving => LeavingBytes > 0;

    /// <summary>What it takes.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>True while something waits in it: a load, a write on its way, a call that waits for a commit.</summary>
    public bool IsPinned => Volatile.Read(ref _pins) > 0;

    /// <summary>A call came. The write is spared if it says nothing new: it would cost other cores their copy of the line.</summary>
    public void Use()
    {
        if (!_wasUsed) _wasUsed = true;
    }

    /// <summary>Whether a call came since it was last asked.</summary>
    public bool TakeUse()
    {
        var wasUsed = _wasUsed;
        _wasUsed = false;
        return wasUsed;
    }

    public void Pin() => _pins++;

    public void Unpin() => _pins--;

    /// <summary>Takes the room for one load, of which it is not known how large it is, until <see cref="EndLoad"/>. Waits for it a while.</summary>
    /// <exception cref="OverloadedException">There is none, and no other user could leave in time.</exception>
    public ValueTask BeginLoadAsync() => _users.ReserveLoadAsync(this);

    /// <summary>Gives back what <see cref="BeginLoadAsync"/> took.</summary>
    public void EndLoad() => _users.ReleaseLoad();

    /// <summary>Counts the state as <paramref name="state"/> bytes, 0 for none, whether or not there is room: it is there.</summary>
    public void Hold(long state)
    {
        if (IsGone) return;
        var more = ActiveUsers.Overhead + state - _bytes;
        Volatile.Write(ref _bytes, _bytes + more);
        _users.Changed(this, more, isUser: state > 0);
    }

    /// <summary>As <see cref="Hold"/> before the state grows: false, and nothing counted, if there is no room.</summary>
    public bool TryHold(long state)
    {
        if (IsGone) return true;
        var more = ActiveUsers.Overhead + state - _bytes;
        if (more > 0 && !_users.TryGrow(more)) return false;
        Volatile.Write(ref _bytes, _bytes + more);
        _users.Changed(this, more > 0 ? 0 : more, isUser: true);
        return true;
    }

    /// <summary>Waits a while until there is room for <paramref name="state"/>, and counts it then.</summary>
    /// <exception cref="OverloadedException">There is none, and no other user could leave in time. Nothing is counted.</exception>
    public Task HoldAsync(long state) => _users.GrowAsync(this, state);

    /// <summary>The activation has ended.</summary>
    public void Dispose()
    {
        if (!IsGone) _users.Leave(this);
    }
}
