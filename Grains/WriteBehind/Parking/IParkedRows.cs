using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The rows that the table refused for what they hold, kept beside it in the same database. Of each key the later of the
/// two, table and parked row, is what <see cref="IRowStore.ReadAsync"/> finds and what the fence goes by. A parked row that
/// the table has caught up with is obsolete, and counts as not there.
/// </summary>
public interface IParkedRows
{
    /// <summary>Parks rows, each only where neither the table nor a parked row holds the same or a later version.</summary>
    /// <param name="rows">At most one per key, sorted by key in ordinal order.</param>
    /// <param name="cancellationToken">Cancels the call; the outcome is then unknown, and repeating it is safe.</param>
    /// <returns>
    /// The rows that were not parked, with what is stored instead; where that is the very row, the table holds it.
    /// </returns>
    /// <exception cref="RowsRefusedException">Some of them cannot even be parked for what they hold; none was.</exception>
    Task<IReadOnlyList<RefusedRow>> ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken);

    /// <summary>
    /// Why <paramref name="version"/> of <paramref name="key"/> is not in the table, where that is since it, or a later
    /// version, is parked; else null.
    /// </summary>
    Task<string?> FindReasonAsync(string key, long version, CancellationToken cancellationToken);

    /// <summary>How many rows are parked. Removes those that are obsolete.</summary>
    Task<long> CountAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Parked rows by key, in the database's order, from the first one after <paramref name="after"/> (null: any);
    /// also those that are obsolete.
    /// </summary>
    Task<IReadOnlyList<ParkedRow>> ListAsync(string? after, int max, CancellationToken cancellationToken);

    /// <summary>
    /// Commits parked rows to the table where the fence lets them, and removes those from among the parked that are in the
    /// table then, or obsolete; all in one transaction.
    /// </summary>
    /// <returns>What became of each; a key of which nothing is parked is not there.</returns>
    /// <exception cref="RowsRefusedException">The table refuses some of them still; nothing was changed.</exception>
    Task<IReadOnlyList<ReplayedRow>> ReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken);
}

/// <summary>A row to be parked, and why.</summary>
public readonly record struct RowToPark(Row Row, string Reason)
{
    private const int MaxPlain = 500;

    /// <summary>True if the reason is short and made of printable ASCII, which any column of text takes.</summary>
    internal bool IsPlain => Reason.Length <= MaxPlain && !Reason.AsSpan().ContainsAnyExceptInRange(' ', '~');

    /// <summary>The same with a reason that any column of text takes.</summary>
    internal RowToPark InPlainWords() => this with
    {
        Reason = string.Create(Math.Min(Reason.Length, MaxPlain), Reason, static (plain, reason) =>
        {
            for (var i = 0; i < plain.Length; i++) plain[i] = reason[i] is >= ' ' and <= '~' ? reason[i] : '?';
        }),
    };
}

/// <summary>A row that is parked no longer.</summary>
/// <param name="Key">The key of the row.</param>
/// <param name="Version">The version that was parked.</param>
/// <param name="IsCommitted">True where the table holds it now, false where it was obsolete.</param>
public readonly record struct ReplayedRow(string Key, long Version, bool IsCommitted);
