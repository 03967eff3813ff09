namespace Actors.WriteBehind;

/// <summary>
/// The right to write one key, held by one activation at a time. Whoever claims it next fences the one before: what that
/// one writes from then on is refused before it is acknowledged.
/// </summary>
/// <param name="Key">The key.</param>
/// <param name="Epoch">Unique to this ownership.</param>
internal sealed record Ownership(string Key, long Epoch)
{
    // Beyond any epoch that the journal hands out before the year 2255, and still of 16 digits.
    private const long FirstWithoutJournal = 9_000_000_000_000_000;

    /// <summary>False where it is certain that there is no cached copy of the key.</summary>
    public bool MayBeCached { get; init; } = true;

    /// <summary>True for one that was taken while the journal could not be reached: the journal knows nothing of it.</summary>
    internal bool IsWithoutJournal => IsEpochWithoutJournal(Epoch);

    /// <summary>
    /// An ownership taken while the journal cannot be reached. What is written under it goes to the database, past the
    /// journal; a proper one is claimed once the journal is back.
    /// </summary>
    internal static Ownership WithoutJournal(string key) => new(key, Random.Shared.NextInt64(FirstWithoutJournal, 10_000_000_000_000_000));

    /// <inheritdoc cref="IsWithoutJournal"/>
    internal static bool IsEpochWithoutJournal(long epoch) => epoch >= FirstWithoutJournal;
}

/// <summary>Another activation owns the key now; the write was not acknowledged, and has not happened unless it says so.</summary>
internal sealed class OwnershipLostException(string key) : Exception($"The ownership of {WellFormedText.Quote(key)} has passed to another activation.")
{
    /// <summary>The version the table held in the place of the row; 0 where the journal refused it.</summary>
    public long StoredVersion { get; init; }

    /// <summary>True where the write has happened all the same: the other one took it over from the journal and built on it.</summary>
    public bool IsWritten { get; init; }

    /// <summary>True where the write is in the journal, though not in the database: whoever claims the key builds on it.</summary>
    public bool IsLeftInJournal { get; init; }

    /// <summary>True where nobody can tell: the journal did not answer, so the other one may or may not have found it there.</summary>
    public bool MayBeWritten { get; init; }
}
