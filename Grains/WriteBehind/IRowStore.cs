using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The database behind the queue: one table of keyed, versioned rows. Implementations are safe for concurrent use and
/// report an unreachable database as <see cref="StorageUnavailableException"/>.
/// </summary>
public interface IRowStore
{
    /// <summary>The kind and address of the database, without secrets, for logs: e.g. "PostgreSQL at db:5432/actors".</summary>
    string Description { get; }

    /// <summary>
    /// Brings the schema up to date, from an empty or any older database. The first silo migrates under a lock; the others wait.
    /// </summary>
    Task MigrateAsync(CancellationToken cancellationToken);

    /// <summary>Checks that the database accepts rows, without writing one; for health checks.</summary>
    /// <exception cref="StorageUnavailableException">It does not, for instance because it is read-only.</exception>
    Task CheckAsync(CancellationToken cancellationToken) => ReadAsync([""], cancellationToken);

    /// <summary>The rows that the table refused (<see cref="RowsRefusedException"/>), stored beside it.</summary>
    IParkedRows Parked { get; }

    /// <summary>
    /// The rows of <paramref name="keys"/> as committed, or as parked if the parked version is later (<see cref="Row.IsParked"/>),
    /// in no particular order. Keys without a row are omitted.
    /// </summary>
    Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken);

    /// <summary>
    /// Commits all rows in one transaction. Each is written only if the table holds no row of that key or an earlier version
    /// (the fence). A parked row counts as if the table held it.
    /// </summary>
    /// <param name="rows">At most one row per key, sorted by key in ordinal order, so that no two batches deadlock.</param>
    /// <param name="cancellationToken">Cancels the call; the outcome is then unknown, and retrying is safe.</param>
    /// <returns>The rows that the fence refused, with what the table holds instead; usually empty.</returns>
    /// <exception cref="RowsRefusedException">Some rows cannot be stored because of their content; none was written.</exception>
    Task<IReadOnlyList<FencedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken);
}

/// <summary>Reading a single row.</summary>
internal static class RowStoreExtensions
{
    /// <summary>The row of <paramref name="key"/> as committed or parked, or null.</summary>
    public static async Task<Row?> ReadAsync(this IRowStore store, string key, CancellationToken cancellationToken) =>
        await store.ReadAsync([key], cancellationToken) is [var row] ? row : null;
}

/// <summary>A row that was not written because the table held the same or a later version.</summary>
/// <param name="Key">The key of the row.</param>
/// <param name="StoredVersion">The version the table holds.</param>
/// <param name="StoredEpoch">The epoch of the stored row.</param>
public readonly record struct FencedRow(string Key, long StoredVersion, long StoredEpoch);
