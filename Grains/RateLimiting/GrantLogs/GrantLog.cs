namespace Actors.RateLimiting;

/// <summary>
/// The grants of one client under one policy, oldest first: the owner's exact copy of the sorted set in Redis. Each entry holds
/// the number of permits granted before it, so a binary search counts any window, whatever the weights. Times are microseconds
/// on the Redis clock.
/// </summary>
/// <remarks>Not thread-safe. It belongs to one grain, and the grain's turns run one at a time.</remarks>
internal sealed class GrantLog
{
    /// <summary>Memory of one entry.</summary>
    public const int EntryBytes = 2 * sizeof(long);

    private const int Least = 4;

    // Ring buffer: the first entry is at _first, and _count entries follow, wrapping at the end.
    private Entry[] _entries = [];
    private int _first;

    public int Count { get; private set; }

    /// <summary>
    /// Changes with every edit except a trim of expired grants. A result computed from the log is valid while the version is
    /// the same.
    /// </summary>
    public int Version { get; private set; }

    /// <summary>All permits ever granted, including those of trimmed entries.</summary>
    public long Total { get; private set; }

    /// <summary>The time of the last entry; 0 if the log is empty.</summary>
    public long Newest => Count == 0 ? 0 : At(Count - 1).At;

    /// <summary>The memory of the log.</summary>
    public long Bytes => (long)_entries.Length * EntryBytes;

    /// <summary>Adds a grant, which must be later than all others.</summary>
    public void Add(long at, long permits)
    {
        Version++;
        if (Count == _entries.Length) Resize(Math.Max(Least, Count * 2));
        Count++;
        At(Count - 1) = new(at, Total);
        Total += permits;
    }

    /// <summary>Adds a grant to the last entry, which then counts from the new time.</summary>
    public void AddToLast(long at, long permits)
    {
        Version++;
        At(Count - 1) = At(Count - 1) with { At = at };
        Total += permits;
    }

    /// <summary>
    /// Drops the grants made at or before <paramref name="until"/> and frees their memory. Returns the number of dropped
    /// entries.
    /// </summary>
    public int Trim(long until)
    {
        var gone = FirstAfter(until);
        if (gone == 0) return 0;
        _first = (_first + gone) % _entries.Length;
        Count -= gone;
        if (Count <= _entries.Length / 4) Resize(Count);
        return gone;
    }

    /// <summary>
    /// The permits granted after <paramref name="since"/>, and the time of the first of them; <see cref="long.MaxValue"/> if
    /// there are none.
    /// </summary>
    public (long Granted, long First) After(long since)
    {
        var first = FirstAfter(since);
        return first == Count ? (0, long.MaxValue) : (Total - At(first).Before, At(first).At);
    }

    /// <summary>The last entries, or all if there are fewer, with the permits granted before each.</summary>
    public (long At, long Before, long Permits)[] Last(int count)
    {
        var first = Math.Max(0, Count - count);
        var grants = new (long, long, long)[Count - first];
        for (var i = first; i < Count; i++) grants[i - first] = (At(i).At, At(i).Before, PermitsOf(i));
        return grants;
    }

    /// <summary>The permits granted after <paramref name="since"/>.</summary>
    public long GrantedAfter(long since) => After(since).Granted;

    /// <summary>
    /// The first moment at which at most <paramref name="granted"/> permits count in a window of <paramref name="duration"/>,
    /// if no more are granted; <see cref="long.MinValue"/> if that is always true.
    /// </summary>
    public long WhenAtMost(long granted, long duration)
    {
        // Finds the first entry that may stay: all earlier entries must have left the window.
        var (low, high) = (0, Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Total - At(middle).Before <= granted) high = middle;
            else low = middle + 1;
        }

        return low == 0 ? long.MinValue : At(low - 1).At + duration;
    }

    /// <summary>
    /// Takes permits out of the grant at <paramref name="at"/>, or out of the entry of the same tick that it was merged into.
    /// Returns 0 if the grant is no longer in the log, because later entries belong to other callers.
    /// </summary>
    /// <returns>The permits that were taken out.</returns>
    public int Remove(long at, int permits, long tick)
    {
        var index = FirstAfter(at - 1);
        if (index == Count || At(index).At / tick != at / tick) return 0;
        var entries = ToArray();
        var removed = (int)Math.Min(permits, entries[index].Permits);
        entries[index].Permits -= removed;
        Load(0, entries.Where(entry => entry.Permits > 0));
        return removed;
    }

    /// <summary>Replaces all entries; <paramref name="before"/> permits were granted before the first of them.</summary>
    public void Load(long before, IEnumerable<(long At, long Permits)> grants)
    {
        Clear();
        Total = before;
        foreach (var (at, permits) in grants) Add(at, permits);
    }

    /// <summary>Moves all entries in time.</summary>
    public void Shift(long by)
    {
        Version++;
        for (var i = 0; i < Count; i++) At(i) = At(i) with { At = At(i).At + by };
    }

    public void Clear()
    {
        Version++;
        (_entries, _first, Count, Total) = ([], 0, 0, 0);
    }

    public (long At, long Permits)[] ToArray()
    {
        var grants = new (long, long)[Count];
        for (var i = 0; i < Count; i++) grants[i] = (At(i).At, PermitsOf(i));
        return grants;
    }

    /// <summary>An independent copy.</summary>
    public GrantLog Copy()
    {
        var copy = new GrantLog { _entries = new Entry[Count + Least], Count = Count, Total = Total };
        for (var i = 0; i < Count; i++) copy._entries[i] = At(i);
        return copy;
    }

    private long PermitsOf(int index) => (index + 1 < Count ? At(index + 1).Before : Total) - At(index).Before;

    private int FirstAfter(long since)
    {
        var (low, high) = (0, Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (At(middle).At > since) high = middle;
            else low = middle + 1;
        }

        return low;
    }

    private ref Entry At(int index)
    {
        index += _first;
        return ref _entries[index < _entries.Length ? index : index - _entries.Length];
    }

    private void Resize(int capacity)
    {
        var entries = capacity == 0 ? [] : new Entry[Math.Max(Least, capacity)];
        for (var i = 0; i < Count; i++) entries[i] = At(i);
        (_entries, _first) = (entries, 0);
    }

    private readonly record struct Entry(long At, long Before);
}
