using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The database behind the queue: one table of keyed, versioned rows. Implementations are safe for concurrent use and
/// report an unreachable database as <see cref="StorageUnavailableException"/>.
/// </summary>
public interface IRowStore
{
    /// <summary>What and where the database is, without secrets, for logs: e.g. "PostgreSQL at db:5432/actors".</summary>
    string Description { get; }

    /// <summary>
    /// Brings the schema up to date, from an empty or any older database. Whoever comes first does it, under a lock;
    /// others wait for it.
    /// </summary>
    Task MigrateAsync(CancellationToken cancellationToken);

    /// <summary>Returns if the database takes rows at present, as far as that shows without writing one; for health checks.</summary>
    /// <exception cref="StorageUnavailableException">It does not, for instance since it is read-only.</exception>
    Task CheckAsync(CancellationToken cancellationToken) => ReadAsync([""], cancellationToken);

    /// <summary>What the table refused (<see cref="RowsRefusedException"/>) and is kept beside it.</summary>
    IParkedRows Parked { get; }

    /// <summary>
    /// The rows of <paramref name="keys"/> as committed, or as parked where that is later (<see cref="Row.IsParked"/>), in no
    /// particular order; a key without a row has none here.
    /// </summary>
    Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken);

    /// <summary>
    /// Commits all rows in one transaction, each only where the table holds no row of that key or one of an earlier
    /// version (the fence). A parked row counts as if the table held it.
    /// </summary>
    /// <param name="rows">At most one row per key, sorted by key in ordinal order, so that no two batches deadlock.</param>
    /// <param name="cancellationToken">Cancels the call; the outcome is then unknown, and repeating it is safe.</param>
    /// <returns>The rows the fence refused, with what the table holds instead; empty in the usual case.</returns>
    /// <exception cref="RowsRefusedException">Some of the rows cannot be stored for what they hold; none was.</exception>
    Task<IReadOnlyList<RefusedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken);
}

/// <summary>Reading a single row.</summary>
internal static class RowStoreExtensions
{
    /// <summary>The row of <paramref name="key"/> as committed or parked, or null.</summary>
    public static async Task<Row?> ReadAsync(this IRowStore store, string key, CancellationToken cancellationToken) =>
        await store.ReadAsync([key], cancellationToken) is [var row] ? row : null;
}

/// <summary>A row that was not written, since the table held the same or a later version of it.</summary>
/// <param name="Key">The key of the row.</param>
/// <param name="StoredVersion">The version the table holds.</param>
/// <param name="StoredEpoch">The ownership that made it.</param>
public readonly record struct RefusedRow(string Key, long StoredVersion, long StoredEpoch);
