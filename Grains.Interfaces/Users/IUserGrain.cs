namespace Actors;

/// <summary>
/// One user, addressed by its id: kept hot in memory, every acknowledged write journaled, and written behind to the
/// database in batches.
/// </summary>
/// <remarks>
/// The key is the user id: 1 to <see cref="UserLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, not blank. All calls throw
/// <see cref="InvalidUserException"/> for an id outside of that, and <see cref="StorageUnavailableException"/> when
/// neither Redis nor the database can give an answer in time. A call for a user that is not in memory throws
/// <see cref="OverloadedException"/> if the silo has no memory for it at present; nothing was changed. A call that waits for
/// the database while the user leaves its silo waits for a few seconds more, and then throws
/// <see cref="StorageUnavailableException"/>; what it waited for goes on. A silo that was declared dead, and runs again,
/// answers all calls with <see cref="SiloEvictedException"/> until it ends; the client library repeats them.
/// </remarks>
[Alias("Actors.IUserGrain")]
public interface IUserGrain : IGrainWithStringKey
{
    /// <summary>
    /// The user, or null where there is none. Never older than the last acknowledged write, unless the user itself says
    /// so (<see cref="User.IsPossiblyStale"/>).
    /// </summary>
    [Alias("Get")]
    Task<User?> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Merges <paramref name="patch"/> into the user, creating the user where there is none.</summary>
    /// <returns>The version the write made, and the durability it has reached.</returns>
    /// <exception cref="InvalidUserException">The patch, or the user it would make, is outside of <see cref="UserLimits"/>.</exception>
    /// <exception cref="VersionConflictException"><see cref="WriteOptions.ExpectedVersion"/> is not the current version.</exception>
    /// <exception cref="OverloadedException">Too much is unflushed, or the silo has no memory for it; nothing was changed.</exception>
    /// <exception cref="StorageUnavailableException">
    /// The durability asked for could not be reached in time. The write may still take effect; repeat it with the same
    /// <see cref="WriteOptions.RequestId"/> to learn its receipt without writing twice.
    /// </exception>
    /// <exception cref="WriteParkedException">
    /// Of a write with <see cref="Durability.Database"/>: it stands and is durable, but the database refused the user for what
    /// it holds, and parked it. Do not repeat it.
    /// </exception>
    [Alias("Update")]
    Task<WriteReceipt> UpdateAsync(UserPatch patch, WriteOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Deletes the user, leaving a tombstone: a later update creates the user afresh, with a higher version. Deleting a
    /// user that does not exist changes nothing and returns the current version (0 where there never was one).
    /// </summary>
    /// <inheritdoc cref="UpdateAsync" path="/exception"/>
    [Alias("Delete")]
    Task<WriteReceipt> DeleteAsync(WriteOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Returns once every write of this user acknowledged so far is in the database.</summary>
    /// <exception cref="WriteParkedException">The database refused the user for what it holds, and parked it.</exception>
    [Alias("Flush")]
    Task FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Returns once <paramref name="version"/> of this user has reached <paramref name="durability"/>.</summary>
    /// <exception cref="InvalidUserException">No such version was written yet, or it is negative.</exception>
    /// <exception cref="WriteParkedException">It was to be the database, which refused the user and parked it.</exception>
    [Alias("WaitFor")]
    Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken = default);
}
