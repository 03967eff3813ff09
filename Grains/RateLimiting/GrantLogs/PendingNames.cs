namespace Actors.RateLimiting;

/// <summary>
/// Changes of a client's named grants that Redis does not have yet: names to note, and names to forget. If a name to note may
/// already be in Redis, a refund must make Redis forget it. Otherwise a refund only drops the name here.
/// </summary>
/// <remarks>Belongs to one grain, whose turns run one at a time. Does not change while a script is in flight.</remarks>
internal sealed class PendingNames
{
    // Memory of a name beside its text.
    private const int NameBytes = 100;

    private readonly Dictionary<string, (long At, bool MayBeThere)> _noted = [];
    private readonly HashSet<string> _forgotten = [];

    // The length of all names in both.
    private long _chars;

    public int Count => _noted.Count + _forgotten.Count;

    /// <summary>The names that Redis must forget.</summary>
    public IReadOnlyCollection<string> Forgotten => _forgotten;

    /// <summary>The names that Redis must note, with the times of their grants.</summary>
    public IEnumerable<KeyValuePair<string, long>> Noted => _noted.Select(each => KeyValuePair.Create(each.Key, each.Value.At));

    /// <summary>The memory of the names.</summary>
    public long Bytes => ((long)NameBytes * Count) + (sizeof(char) * _chars);

    /// <summary>Remembers the name of a grant made without Redis.</summary>
    public void Note(string name, long at)
    {
        var mayBeThere = DropForgotten(name) || (_noted.TryGetValue(name, out var before) && before.MayBeThere);
        if (!_noted.ContainsKey(name)) _chars += name.Length;
        _noted[name] = (at, mayBeThere);

        // Redis keeps no more than that either. Sorting only now and then keeps a single name cheap.
        if (_noted.Count <= 2 * RateLimits.RememberedRequests) return;
        foreach (var (oldest, _) in _noted.OrderBy(noted => noted.Value.At).Take(RateLimits.RememberedRequests).ToList()) DropNoted(oldest);
    }

    /// <summary>Marks a name to be removed from Redis, unless it was never sent there.</summary>
    public void Forget(string name)
    {
        if (_noted.TryGetValue(name, out var noted))
        {
            DropNoted(name);
            if (!noted.MayBeThere) return;
        }

        AddForgotten(name);
    }

    /// <summary>Adds the names of an earlier activation, whose times are <paramref name="shift"/> earlier.</summary>
    public void TakeOver(LogHandoff handoff, long shift)
    {
        // The earlier activation may have been writing the names to Redis.
        foreach (var name in handoff.Forgotten.Concat(handoff.Noted.Select(noted => noted.Key))) AddForgotten(name);
        foreach (var (name, at) in handoff.Noted) Note(name, at + shift);
    }

    /// <summary>The next names to send to Redis, at most <paramref name="most"/>. From now on they may be there.</summary>
    public Batch NextBatch(int most)
    {
        string[] forgotten = [.. _forgotten.Take(most)];
        KeyValuePair<string, long>[] noted = [.. Noted.Take(most - forgotten.Length)];
        foreach (var (name, at) in noted) _noted[name] = (at, true);
        return new(forgotten, noted);
    }

    /// <summary>Redis has these names.</summary>
    public void Remove(Batch sent)
    {
        foreach (var name in sent.Forgotten) DropForgotten(name);
        foreach (var (name, _) in sent.Noted) DropNoted(name);
    }

    private void AddForgotten(string name)
    {
        if (_forgotten.Add(name)) _chars += name.Length;
    }

    private bool DropForgotten(string name)
    {
        if (!_forgotten.Remove(name)) return false;
        _chars -= name.Length;
        return true;
    }

    private void DropNoted(string name)
    {
        if (_noted.Remove(name)) _chars -= name.Length;
    }

    /// <summary>Names that are sent with one script.</summary>
    internal readonly record struct Batch(string[] Forgotten, KeyValuePair<string, long>[] Noted);
}
