namespace Actors.WriteBehind;

/// <summary>
/// The right to write one key, held by one activation at a time. The next claim fences the former owner: its later writes are
/// refused before they are acknowledged.
/// </summary>
/// <param name="Key">The key.</param>
/// <param name="Epoch">The fencing token, unique to this ownership.</param>
internal sealed record Ownership(string Key, long Epoch)
{
    // Greater than any epoch that the journal issues before the year 2255, and still 16 digits.
    private const long FirstWithoutJournal = 9_000_000_000_000_000;

    /// <summary>False if the key certainly has no cached copy.</summary>
    public bool MayBeCached { get; init; } = true;

    /// <summary>True for an ownership taken while the journal was unreachable; the journal does not know it.</summary>
    internal bool IsWithoutJournal => IsEpochWithoutJournal(Epoch);

    /// <summary>
    /// Creates an ownership while the journal is unreachable. Its writes bypass the journal and go to the database. A proper
    /// ownership is claimed once the journal is back.
    /// </summary>
    internal static Ownership WithoutJournal(string key) => new(key, Random.Shared.NextInt64(FirstWithoutJournal, 10_000_000_000_000_000));

    /// <inheritdoc cref="IsWithoutJournal"/>
    internal static bool IsEpochWithoutJournal(long epoch) => epoch >= FirstWithoutJournal;
}

/// <summary>Another activation owns the key now. The write was not acknowledged, and has not happened unless a property says so.</summary>
internal sealed class OwnershipLostException(string key) : Exception($"The ownership of {WellFormedText.Quote(key)} has passed to another activation.")
{
    /// <summary>The version the table held instead of the row; 0 if the journal refused the row.</summary>
    public long StoredVersion { get; init; }

    /// <summary>True if the write has happened anyway: the other owner found it in the journal and built on it.</summary>
    public bool IsWritten { get; init; }

    /// <summary>True if the write is in the journal but not in the database: the next owner builds on it.</summary>
    public bool IsLeftInJournal { get; init; }

    /// <summary>True if the outcome is unknown: the journal did not answer, so the other owner may or may not have found the row.</summary>
    public bool MayBeWritten { get; init; }
}
