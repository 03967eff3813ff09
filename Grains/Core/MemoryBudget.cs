namespace Actors.Core;

/// <summary>Bytes counted against a ceiling. Any thread takes and gives back: one interlocked counter.</summary>
internal sealed class MemoryBudget(long ceiling)
{
    private long _used;

    /// <summary>What may be in use.</summary>
    public long Ceiling => ceiling;

    /// <summary>What is in use. Above the ceiling only by what was counted with <see cref="Add"/>.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Takes <paramref name="bytes"/>; false, and nothing taken, if more than <paramref name="upTo"/> would then be in use.</summary>
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

    /// <summary>Counts what exists already, or gives back what was taken.</summary>
    public void Add(long bytes) => Interlocked.Add(ref _used, bytes);
}
