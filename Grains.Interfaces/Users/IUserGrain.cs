namespace Actors;

/// <summary>
/// One user, addressed by its id: kept in memory, every acknowledged write journaled, and written behind to the database in batches.
/// </summary>
/// <remarks>
/// <para>
/// The key is the user id: 1 to <see cref="UserLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, not blank. All calls throw
/// <see cref="InvalidUserException"/> for any other id, and <see cref="StorageUnavailableException"/> if neither Redis nor the
/// database answers in time.
/// </para>
/// <para>
/// A call for a user that is not in memory throws <see cref="OverloadedException"/> if the silo has no memory for it; nothing was
/// changed. A call that waits for the database while the user moves away waits a few seconds more, and then throws
/// <see cref="StorageUnavailableException"/>; the pending commit continues. A silo that was declared dead and runs again answers
/// all calls with <see cref="SiloEvictedException"/> until it stops; the client library retries them.
/// </para>
/// </remarks>
[Alias("Actors.IUserGrain")]
public interface IUserGrain : IGrainWithStringKey
{
    /// <summary>
    /// Returns the user, or null if there is none. Never older than the last acknowledged write, unless
    /// <see cref="User.IsPossiblyStale"/> is set.
    /// </summary>
    [Alias("Get")]
    Task<User?> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Merges <paramref name="patch"/> into the user, and creates the user if there is none.</summary>
    /// <returns>The version the write made, and the durability it has reached.</returns>
    /// <exception cref="InvalidUserException">The patch, or the resulting user, is outside of <see cref="UserLimits"/>.</exception>
    /// <exception cref="VersionConflictException"><see cref="WriteOptions.ExpectedVersion"/> is not the current version.</exception>
    /// <exception cref="OverloadedException">Too much is unflushed, or the silo has no memory for it; nothing was changed.</exception>
    /// <exception cref="StorageUnavailableException">
    /// The requested durability was not reached in time. The write may still take effect; retry it with the same
    /// <see cref="WriteOptions.RequestId"/> to get its receipt without writing twice.
    /// </exception>
    /// <exception cref="WriteParkedException">
    /// Only with <see cref="Durability.Database"/>: the write stands and is durable, but the database refused the content of the user
    /// and parked it. Do not repeat it.
    /// </exception>
    [Alias("Update")]
    Task<WriteReceipt> UpdateAsync(UserPatch patch, WriteOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Deletes the user and leaves a tombstone: a later update creates the user again, with a higher version. Deleting a user that
    /// does not exist changes nothing and returns the current version (0 if it never existed).
    /// </summary>
    /// <inheritdoc cref="UpdateAsync" path="/exception"/>
    [Alias("Delete")]
    Task<WriteReceipt> DeleteAsync(WriteOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Returns once every write of this user acknowledged so far is in the database.</summary>
    /// <exception cref="WriteParkedException">The database refused the content of the user and parked it.</exception>
    [Alias("Flush")]
    Task FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Returns once <paramref name="version"/> of this user has reached <paramref name="durability"/>.</summary>
    /// <exception cref="InvalidUserException">The version has not been written yet, or is negative.</exception>
    /// <exception cref="WriteParkedException">The database was requested, and it refused the content of the user and parked it.</exception>
    [Alias("WaitFor")]
    Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken = default);
}
