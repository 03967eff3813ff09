namespace Actors.WriteBehind;

/// <summary>
/// Commits a batch in parts that it halves wherever the database refuses one, until those that are refused alone are
/// singled out: for one among n in about 2 log2 n steps. Used by one task at a time.
/// </summary>
/// <param name="commit">
/// Commits a part, all or nothing; throws <see cref="RowsRefusedException"/> where the part cannot be committed for what is in it.
/// </param>
/// <param name="parts">What to commit. Each part keeps its order.</param>
internal sealed class Bisection<T>(Func<IReadOnlyList<T>, CancellationToken, Task> commit, params IEnumerable<T[]> parts)
{
    // What is not done yet, the next on top: at most one part per step of halving, beside those given.
    private readonly Stack<ArraySegment<T>> _left = new(parts.Where(part => part.Length > 0).Select(part => new ArraySegment<T>(part)).Reverse());
    private readonly List<(T Item, string Reason, bool IsCertain)> _refused = [];

    /// <summary>The key of an item, by which a refusal may name those that it is due to; null if it cannot.</summary>
    public Func<T, string>? KeyOf { get; init; }

    /// <summary>Those that were refused, each by itself, and why; with <see cref="RowsRefusedException.IsCertain"/>.</summary>
    public IReadOnlyList<(T Item, string Reason, bool IsCertain)> Refused => _refused;

    /// <summary>
    /// Goes on until nothing is left. Where <paramref name="cancellationToken"/> or any error but a refusal ends it, the next
    /// call goes on with the part that it ended at.
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
