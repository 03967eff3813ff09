namespace Actors.Core;

/// <summary>
/// One row on its way to the database: the whole state of one key as of one version. Write-behind knows no more of it
/// than this.
/// </summary>
/// <param name="Key">The primary key.</param>
/// <param name="Version">Grows by one with every change of the key; a row never replaces one of the same or a later version.</param>
/// <param name="Epoch">The ownership under which the version was made; tells two owners' equal versions apart.</param>
/// <param name="State">The state as UTF-8 JSON. Not to be changed after it was handed over.</param>
public sealed record Row(string Key, long Version, long Epoch, ReadOnlyMemory<byte> State)
{
    /// <summary>What an entry costs beside key and state: objects, dictionary and queue slots (measured, rounded up). No row takes less.</summary>
    internal const int Overhead = 256;

    /// <summary>False where it is certain that the journal holds no version of it, so that none need be removed once it is committed.</summary>
    public bool MayBeJournaled { get; init; } = true;

    /// <summary>False where it is certain that there is no cached copy of it, so that none need be brought up to date.</summary>
    public bool MayBeCached { get; init; } = true;

    /// <summary>True where it was read from among the parked rows (<c>IParkedRows</c>).</summary>
    public bool IsParked { get; init; }

    /// <summary>The bytes of memory this row takes while it waits.</summary>
    public int Bytes => Overhead + (2 * Key.Length) + State.Length;

    /// <summary>This row in the place of <paramref name="earlier"/>, which is not to be committed any more.</summary>
    public Row InPlaceOf(Row earlier) =>
        (MayBeJournaled || !earlier.MayBeJournaled) && (MayBeCached || !earlier.MayBeCached)
            ? this
            : this with { MayBeJournaled = MayBeJournaled || earlier.MayBeJournaled, MayBeCached = MayBeCached || earlier.MayBeCached };
}
