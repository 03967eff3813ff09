namespace Actors;

/// <summary>
/// The rows whose content the database refused. They are parked beside the table, where they are durable and readable, and do not
/// delay other rows. Any key works: the grain is stateless and answers on the called silo.
/// </summary>
/// <remarks>All calls throw <see cref="StorageUnavailableException"/> if the database is unavailable.</remarks>
[Alias("Actors.IWriteBehindGrain")]
public interface IWriteBehindGrain : IGrainWithStringKey
{
    /// <summary>
    /// Returns the parked rows page by page, without rows that a later version in the table has made obsolete.
    /// </summary>
    /// <param name="max">The maximum number of rows; a call returns at most 200.</param>
    /// <param name="after">The key to continue after (<see cref="ParkedPage.Next"/>); null starts with the first.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    [Alias("GetParked")]
    Task<ParkedPage> GetParkedAsync(int max = 100, string? after = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes parked rows to the table, each unless the table holds the same or a later version. Written and obsolete rows are no
    /// longer parked; rows that the database refuses again stay parked.
    /// </summary>
    /// <param name="keys">
    /// The keys to replay; null for all. The call lasts until all are replayed. For many rows, replay the pages of
    /// <see cref="GetParkedAsync"/>.
    /// </param>
    /// <param name="cancellationToken">Stops the replay between two batches; completed batches stay committed.</param>
    [Alias("Replay")]
    Task<ReplayResult> ReplayAsync(string[]? keys = null, CancellationToken cancellationToken = default);
}
