using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The rows that the table refused because of their content, stored beside it in the same database. For each key, the later of
/// the table's row and the parked row is the one that <see cref="IRowStore.ReadAsync"/> returns and the fence compares with. A
/// parked row is obsolete, and counts as absent, once the table holds the same or a later version.
/// </summary>
public interface IParkedRows
{
    /// <summary>Parks each row unless the table or a parked row holds the same or a later version.</summary>
    /// <param name="rows">At most one per key, sorted by key in ordinal order.</param>
    /// <param name="cancellationToken">Cancels the call; the outcome is then unknown, and retrying is safe.</param>
    /// <returns>
    /// The rows that were not parked, with the stored version and epoch. If these equal the row's own, the table holds the row.
    /// </returns>
    /// <exception cref="RowsRefusedException">Some rows cannot even be parked because of their content; none was.</exception>
    Task<IReadOnlyList<FencedRow>> ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken);

    /// <summary>
    /// The reason why <paramref name="version"/> of <paramref name="key"/> is not in the table, if it or a later version is
    /// parked; else null.
    /// </summary>
    Task<string?> FindReasonAsync(string key, long version, CancellationToken cancellationToken);

    /// <summary>Returns the number of parked rows. Removes obsolete ones first.</summary>
    Task<long> CountAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Parked rows in the database's key order, from the first after <paramref name="after"/> (null: from the start), including
    /// obsolete ones.
    /// </summary>
    Task<IReadOnlyList<ParkedRow>> ListAsync(string? after, int max, CancellationToken cancellationToken);

    /// <summary>
    /// Commits parked rows to the table if the fence allows it, and removes parked rows that are committed or obsolete; all in one
    /// transaction.
    /// </summary>
    /// <returns>The outcome for each row; keys without a parked row are omitted.</returns>
    /// <exception cref="RowsRefusedException">The table still refuses some of the rows; nothing was changed.</exception>
    Task<IReadOnlyList<ReplayedRow>> ReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken);
}

/// <summary>A row to be parked, with the reason.</summary>
public readonly record struct RowToPark(Row Row, string Reason)
{
    private const int MaxPlain = 500;

    /// <summary>True if the reason is short, printable ASCII, which any text column accepts.</summary>
    internal bool IsPlain => Reason.Length <= MaxPlain && !Reason.AsSpan().ContainsAnyExceptInRange(' ', '~');

    /// <summary>A copy with a reason that any text column accepts.</summary>
    internal RowToPark InPlainWords() => this with
    {
        Reason = string.Create(Math.Min(Reason.Length, MaxPlain), Reason, static (plain, reason) =>
        {
            for (var i = 0; i < plain.Length; i++) plain[i] = reason[i] is >= ' ' and <= '~' ? reason[i] : '?';
        }),
    };
}

/// <summary>A row that is no longer parked.</summary>
/// <param name="Key">The key of the row.</param>
/// <param name="Version">The version that was parked.</param>
/// <param name="IsCommitted">True if the table holds it now, false if it was obsolete.</param>
public readonly record struct ReplayedRow(string Key, long Version, bool IsCommitted);
