namespace Actors.WriteBehind;

/// <summary>
/// The right to write one key, held by one activation at a time. Whoever claims it next fences the one before: what that
/// one writes from then on is refused before it is acknowledged.
/// </summary>
/// <param name="Key">The key.</param>
/// <param name="Epoch">Unique to this ownership.</param>
public sealed record Ownership(string Key, long Epoch)
{
    /// <summary>
    /// An ownership taken while the journal cannot be reached. Its epoch is beyond any that the journal hands out, so it
    /// is refused, and a proper one claimed, as soon as the journal is back.
    /// </summary>
    internal static Ownership WithoutJournal(string key) =>
        new(key, Random.Shared.NextInt64(9_000_000_000_000_000, 10_000_000_000_000_000));
}

/// <summary>Another activation owns the key now; the write was not acknowledged, and has not happened unless it says so.</summary>
internal sealed class OwnershipLostException(string key) : Exception($"The ownership of '{key}' has passed to another activation.")
{
    /// <summary>The version the table held in the place of the row; 0 where the journal refused it.</summary>
    public long StoredVersion { get; init; }

    /// <summary>True where the write has happened all the same: the other one took it over from the journal and built on it.</summary>
    public bool IsWritten { get; init; }
}
