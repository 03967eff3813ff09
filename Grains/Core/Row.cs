namespace Actors.Core;

/// <summary>
/// One row on its way to the database: the complete state of one key at one version. Write-behind knows nothing else about it.
/// </summary>
/// <param name="Key">The primary key.</param>
/// <param name="Version">Grows by one with every change of the key. A row never replaces one with the same or a later version.</param>
/// <param name="Epoch">The fencing token of the owner that made the version. It tells equal versions of two owners apart.</param>
/// <param name="State">The state as UTF-8 JSON. It must not change after the row is handed over.</param>
public sealed record Row(string Key, long Version, long Epoch, ReadOnlyMemory<byte> State)
{
    /// <summary>
    /// Memory of an entry besides key and state: objects, dictionary and queue slots (measured, rounded up). The minimum of any
    /// row.
    /// </summary>
    internal const int Overhead = 256;

    /// <summary>False if the journal certainly holds no version of the row, so none has to be removed after the commit.</summary>
    public bool MayBeJournaled { get; init; } = true;

    /// <summary>False if certainly no cached copy exists, so none has to be updated.</summary>
    public bool MayBeCached { get; init; } = true;

    /// <summary>True if the row was read from the parked rows (<c>IParkedRows</c>).</summary>
    public bool IsParked { get; init; }

    /// <summary>The memory this row takes while it waits.</summary>
    public int Bytes => Overhead + (2 * Key.Length) + State.Length;

    /// <summary>This row as the replacement of <paramref name="earlier"/>, which will not be committed any more.</summary>
    public Row InPlaceOf(Row earlier) =>
        (MayBeJournaled || !earlier.MayBeJournaled) && (MayBeCached || !earlier.MayBeCached)
            ? this
            : this with { MayBeJournaled = MayBeJournaled || earlier.MayBeJournaled, MayBeCached = MayBeCached || earlier.MayBeCached };
}
