namespace Actors.Users;

/// <summary>
/// The users in memory in the order in which they are examined for eviction (clock algorithm): activations without a user first,
/// and a user that was called since the last look goes to the end. Any thread adds and removes users; the loop of
/// <see cref="UserEviction"/> chooses.
/// </summary>
internal sealed class EvictionQueue
{
    // The maximum concurrent evictions: each release is a request to Redis, batched with others.
    private const int MostLeaving = 1_000;
    private const int MostLooks = 4_000;

    // Guards the fields below, and of every user its node, LeavingBytes and IsGone; held for a few steps, never over an await.
    // The counts are read without it.
    private readonly Lock _gate = new();

    // Activations without a user, and those with one: the first is examined next.
    private readonly LinkedList<ActiveUser> _empty = new();
    private readonly LinkedList<ActiveUser> _users = new();
    private int _leavingCount;
    private long _leavingBytes;
    private long _shed;

    /// <summary>Users chosen for eviction that have not left yet.</summary>
    public int LeavingCount => Volatile.Read(ref _leavingCount);

    /// <summary>Their bytes when they were chosen.</summary>
    public long LeavingBytes => Volatile.Read(ref _leavingBytes);

    /// <summary>Users chosen for eviction so far.</summary>
    public long Shed => Volatile.Read(ref _shed);

    /// <summary>Adds an activation, which has no user yet.</summary>
    public void Add(ActiveUser user)
    {
        lock (_gate) _empty.AddLast(user.Node);
    }

    /// <summary>Removes an activation that has ended, whether chosen or not.</summary>
    public void Remove(ActiveUser user)
    {
        lock (_gate)
        {
            user.IsGone = true;
            user.Node.List?.Remove(user.Node);
            if (user.IsLeaving) EndLeaving(user);
        }
    }

    /// <summary>Moves an activation to the end of the others with, or without, a user, if it is not among them.</summary>
    public void Move(ActiveUser user, bool isUser)
    {
        // Looks without the lock first, because most calls change nothing: only turns of the user's grain move it to the other list.
        var target = isUser ? _users : _empty;
        if (user.Node.List == target) return;
        lock (_gate)
        {
            // It is in neither queue once it was chosen for eviction.
            if (user.IsLeaving || user.Node.List is not { } list) return;
            list.Remove(user.Node);
            target.AddLast(user.Node);
        }
    }

    /// <summary>Chooses idle users of about <paramref name="bytes"/>, or fewer if most are in use or too many are leaving.</summary>
    public List<ActiveUser> Choose(long bytes)
    {
        var chosen = new List<ActiveUser>();
        lock (_gate)
        {
            bytes = Choose(_empty, bytes, chosen);
            Choose(_users, bytes, chosen);
        }

        return chosen;
    }

    /// <summary>Takes back the choice of a user.</summary>
    public void Keep(ActiveUser user)
    {
        lock (_gate)
        {
            // The activation may have ended by itself meanwhile.
            if (!user.IsLeaving || user.IsGone) return;
            EndLeaving(user);
            _shed--;
            user.LeavingBytes = 0;
            _users.AddLast(user.Node);
        }
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
            _leavingBytes += node.Value.LeavingBytes;
            bytes -= node.Value.LeavingBytes;
            _shed++;
            chosen.Add(node.Value);
        }

        return bytes;
    }

    private void EndLeaving(ActiveUser user)
    {
        _leavingCount--;
        _leavingBytes -= user.LeavingBytes;
    }
}
