namespace Actors.WriteBehind;

/// <summary>
/// The right to write one key, held by one activation at a time. The next claim fences the former owner: its later writes are
/// refused before they are acknowledged.
/// </summary>
/// <param name="key">The key.</param>
/// <param name="epoch">The fencing token, unique to this ownership.</param>
internal sealed class Ownership(string key, long epoch)
{
    // Greater than any epoch that the journal issues before the year 2255, and still 16 digits.
    private const long FirstWithoutJournal = 9_000_000_000_000_000;

    // Set once, by any thread, never reset.
    private volatile bool _isLost;

    /// <summary>The key.</summary>
    public string Key { get; } = key;

    /// <summary>The fencing token.</summary>
    public long Epoch { get; } = epoch;

    /// <summary>False if the key certainly has no cached copy.</summary>
    public bool MayBeCached { get; init; } = true;

    /// <summary>True once the ownership has ended: the journal or the database refused a row, or a later claim replaced it.</summary>
    public bool IsLost => _isLost;

    /// <summary>True for an ownership taken while the journal was unreachable; the journal does not know it.</summary>
    internal bool IsWithoutJournal => Epoch >= FirstWithoutJournal;

    /// <summary>
    /// Creates an ownership while the journal is unreachable. Its writes bypass the journal and go to the database. A proper
    /// ownership is claimed once the journal is back.
    /// </summary>
    internal static Ownership WithoutJournal(string key) => new(key, Random.Shared.NextInt64(FirstWithoutJournal, 10_000_000_000_000_000));

    /// <summary>This ownership, just claimed, of a key that certainly has no cached copy.</summary>
    public Ownership Uncached() => new(Key, Epoch) { MayBeCached = false };

    public void Lose() => _isLost = true;
}
