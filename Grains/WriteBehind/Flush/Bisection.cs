namespace Actors.WriteBehind;

/// <summary>
/// Commits a batch in parts and halves each part that the database refuses, until the refused items are isolated. One refused
/// item among n takes about 2 log2 n steps. Used by one task at a time.
/// </summary>
/// <param name="commit">
/// Commits a part, all or nothing; throws <see cref="RowsRefusedException"/> if the content of the part cannot be committed.
/// </param>
/// <param name="parts">The parts to commit. Each keeps its order.</param>
internal sealed class Bisection<T>(Func<IReadOnlyList<T>, CancellationToken, Task> commit, params IEnumerable<T[]> parts)
{
    // The parts that remain, the next one on top: at most one per halving, plus those given.
    private readonly Stack<ArraySegment<T>> _left = new(parts.Where(part => part.Length > 0).Select(part => new ArraySegment<T>(part)).Reverse());
    private readonly List<(T Item, string Reason, bool IsCertain)> _refused = [];

    /// <summary>Returns the key of an item, so that a refusal can name the refused items; null if items have no keys.</summary>
    public Func<T, string>? KeyOf { get; init; }

    /// <summary>The items that were refused by themselves, with the reason and <see cref="RowsRefusedException.IsCertain"/>.</summary>
    public IReadOnlyList<(T Item, string Reason, bool IsCertain)> Refused => _refused;

    /// <summary>
    /// Runs until no part remains. If <paramref name="cancellationToken"/> or an error other than a refusal ends it, the next call
    /// resumes with the same part.
    /// </summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (_left.TryPeek(out var part))
        {
            try
            {
                await commit(part, cancellationToken);
                _left.Pop();
            }
            catch (RowsRefusedException refusal)
            {
                _left.Pop();
                if (part.Count == 1)
                {
                    _refused.Add((part[0], refusal.Reason, refusal.IsCertain));
                    continue;
                }

                if (TrySetAside(part, refusal)) continue;
                var half = part.Count / 2;
                _left.Push(part[half..]);
                _left.Push(part[..half]);
            }
        }
    }

    private bool TrySetAside(ArraySegment<T> part, RowsRefusedException refusal)
    {
        if (refusal.Keys is not { Count: > 0 } keys || KeyOf is null) return false;
        var parted = part.ToLookup(item => keys.Contains(KeyOf(item)));
        if (!parted[true].Any()) return false;
        _refused.AddRange(parted[true].Select(item => (item, refusal.Reason, refusal.IsCertain)));
        if (parted[false].ToArray() is { Length: > 0 } others) _left.Push(others);
        return true;
    }
}
