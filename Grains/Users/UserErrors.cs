using Actors.Core;

namespace Actors.Users;

/// <summary>The errors of a user's calls that depend on storage or on other activations.</summary>
internal static class UserErrors
{
    /// <summary>
    /// True for errors that tell the caller of a write that it may be retried; some say explicitly that nothing was done.
    /// </summary>
    public static bool SaysNotDone(Exception error) => error is SiloEvictedException or OverloadedException or StorageUnavailableException;

    public static StorageUnavailableException Unknown(string id, long version) => new(
        "Redis", $"Redis failed and user {WellFormedText.Quote(id)} moved while version {version} was being written; the outcome is unknown."
            + $" Writes with a {nameof(WriteOptions.RequestId)} can be retried safely.")
    {
        MayHaveTakenEffect = true,
    };

    public static StorageUnavailableException OutOfMemory(string id) => new(
        "memory", $"The silo of user {WellFormedText.Quote(id)} is out of memory. The write may still take effect.")
    {
        MayHaveTakenEffect = true,
    };

    public static StorageUnavailableException MaybeOutdated(string id) => new(
        "Redis", $"User {WellFormedText.Quote(id)} may have changed on another silo, and this answer cannot be marked as possibly stale:"
            + " neither the membership table nor the other silos confirm that this silo is still a member. Nothing was done.");

    /// <summary>The commit was not confirmed in time.</summary>
    public static StorageUnavailableException Unconfirmed(string reason) => new("the database", reason) { MayHaveTakenEffect = true };

    // The rows still wait for their commit in this silo's queue and, if Redis has them, in the journal: only the call ends.
    public static StorageUnavailableException Departing(string id, long version) => Unconfirmed(
        $"User {WellFormedText.Quote(id)} is leaving this silo, and the database did not commit version {version} within"
            + $" {Departure.Grace.TotalSeconds:0} s. It may still do so; ask again.");

    public static StorageUnavailableException NotLoaded(string id) => new(
        "Redis and the database", $"User {WellFormedText.Quote(id)} is leaving this silo and was not loaded within"
            + $" {Departure.Grace.TotalSeconds:0} s. Try again.");

    public static StorageUnavailableException Contested(string id) => new(
        "Redis", $"Other activations claimed user {WellFormedText.Quote(id)} {UserLoader.MaxAttempts} times in a row; try again.");
}
