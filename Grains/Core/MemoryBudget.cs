namespace Actors.Core;

/// <summary>Counts bytes against a ceiling with one interlocked counter. Any thread may take and return bytes.</summary>
internal sealed class MemoryBudget(long ceiling)
{
    private long _used;

    /// <summary>The maximum number of bytes in use.</summary>
    public long Ceiling => ceiling;

    /// <summary>The bytes in use. Only <see cref="Add"/> can raise it above the ceiling.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>
    /// Takes <paramref name="bytes"/>. Returns false and takes nothing if the total would exceed <paramref name="upTo"/>.
    /// </summary>
    public bool TryTake(long bytes, long upTo)
    {
        for (var used = Used; used + bytes <= upTo;)
        {
            var seen = Interlocked.CompareExchange(ref _used, used + bytes, used);
            if (seen == used) return true;
            used = seen;
        }

        return false;
    }

    /// <summary>Counts memory that already exists, or returns bytes if negative.</summary>
    public void Add(long bytes) => Interlocked.Add(ref _used, bytes);
}
