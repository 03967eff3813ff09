namespace Actors;

/// <summary>
/// The rows that the database refused for what they hold. They are parked beside the table, where they are durable and
/// read, and hold up no other. Any key will do: the grain is stateless and answers on the silo that is asked.
/// </summary>
/// <remarks>All calls throw <see cref="StorageUnavailableException"/> where the database cannot be used.</remarks>
[Alias("Actors.IWriteBehindGrain")]
public interface IWriteBehindGrain : IGrainWithStringKey
{
    /// <summary>
    /// The parked rows, page by page. Those that a later version in the table has made obsolete are not among them.
    /// </summary>
    /// <param name="max">How many at most; 200 is the most that one call gives.</param>
    /// <param name="after">The key to go on after (<see cref="ParkedPage.Next"/>); null begins with the first.</param>
    /// <param name="cancellationToken">Cancels waiting for the answer.</param>
    [Alias("GetParked")]
    Task<ParkedPage> GetParkedAsync(int max = 100, string? after = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes parked rows to the table, each only where the table holds none of the same or a later version. What is
    /// written, or obsolete, is parked no longer; what the database refuses again stays.
    /// </summary>
    /// <param name="keys">
    /// Which; null is all of them. The call lasts as long as that takes: where there are many, go by the pages of
    /// <see cref="GetParkedAsync"/>.
    /// </param>
    /// <param name="cancellationToken">Ends it between two batches; what was done until then is done.</param>
    [Alias("Replay")]
    Task<ReplayResult> ReplayAsync(string[]? keys = null, CancellationToken cancellationToken = default);
}
