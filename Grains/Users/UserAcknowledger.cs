using Actors.Core;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;

namespace Actors.Users;

/// <summary>
/// Follows the writes of one user until they are durable: makes each visible to readers, and lets calls wait for earlier ones. Runs
/// in turns of the user's grain only; other turns may run during any await.
/// </summary>
internal sealed partial class UserAcknowledger(UserLoader loader, WriteBehindTable table, ActiveUser account, Departure departure, ILogger logger)
{
    /// <summary>
    /// Makes <paramref name="next"/> visible to readers once it is written, even if the caller no longer waits, and returns what became
    /// of it. Durabilities differ only in what is waited for.
    /// </summary>
    /// <param name="user">The user under the ownership of the write.</param>
    /// <param name="next">The state that is being written.</param>
    /// <param name="write">The write.</param>
    /// <param name="isAtOnce">True if the caller does not wait: the state becomes visible before the journal has answered.</param>
    public async Task<WriteResult> AcknowledgeAsync(OwnedUser user, UserState next, PendingWrite write, bool isAtOnce)
    {
        account.Pin();
        try
        {
            if (isAtOnce) user.Acknowledge(next, isJournaled: false);
            else user.AwaitAnswer();
            try
            {
                await write.Answered;
            }
            finally
            {
                user.Answer(next.Version, wasAwaited: !isAtOnce);
            }

            var reaching = write.ReachAsync();
            var result = reaching.IsCompletedSuccessfully ? reaching.Result : await UntilDepartureAsync(reaching.AsTask(), next.Version);
            if (isAtOnce && result.Outcome != WriteOutcome.Reached) LogMemoryLost(logger, loader.Id, next.Version);
            if (result.Outcome is WriteOutcome.Reached or WriteOutcome.WrittenByNextOwner) table.Counters.Acknowledged(result.Durability);
            if (result.Outcome == WriteOutcome.Unconfirmed) _ = ApplyLaterAsync(user, next, write);
            else Apply(user, next, result);
            return result;
        }
        finally
        {
            account.Unpin();
        }
    }

    /// <summary>
    /// Returns once <paramref name="version"/>, accepted under the ownership of <paramref name="user"/>, has reached at least
    /// <paramref name="durability"/>. Null if that ownership was lost before, so it may not have happened.
    /// </summary>
    /// <exception cref="WriteParkedException">The database was requested, and it parked the version.</exception>
    /// <exception cref="StorageUnavailableException">The commit is not confirmed in time.</exception>
    public async Task<Durability?> WaitForAsync(OwnedUser user, long version, Durability durability, CancellationToken cancellationToken)
    {
        const ConfigureAwaitOptions IgnoreFailure =
            ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing;
        account.Pin();
        try
        {
            while (user.IsCurrent && !user.IsAnswered(version) && !user.Writing.IsCompleted)
            {
                // A cancelled wait would return at once, again and again.
                await user.Writing.WaitAsync(cancellationToken).ConfigureAwait(IgnoreFailure);
                cancellationToken.ThrowIfCancellationRequested();
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (!user.IsCurrent) return null;
            if (durability == Durability.Memory) return durability;
            if (durability == Durability.Journal && version <= user.Journaled) return durability;
            var result = await UntilDepartureAsync(table.CommittedAsync(loader.Id, version, cancellationToken), version, cancellationToken);
            switch (result.Outcome)
            {
                case WriteOutcome.Reached:
                    return result.Durability;
                case WriteOutcome.Parked:
                    // A parked row is no less durable than a journaled one.
                    return durability == Durability.Journal ? durability : throw new WriteParkedException(loader.Id, version, result.Reason!);
                case WriteOutcome.Unconfirmed:
                    throw UserErrors.Unconfirmed(result.Reason!);
                default:
                    loader.GiveUp(user);
                    return null;
            }
        }
        finally
        {
            account.Unpin();
        }
    }

    // A method of its own: its closure costs only those that wait for a commit.
    private async Task<WriteResult> UntilDepartureAsync(Task<WriteResult> committing, long version, CancellationToken cancellationToken = default)
    {
        try
        {
            await departure.WaitAsync(committing, () => UserErrors.Departing(loader.Id, version), cancellationToken);
            return await committing;
        }
        catch (StorageUnavailableException error)
        {
            return new(WriteOutcome.Unconfirmed) { Reason = error.Message };
        }
    }

    /// <summary>Waits on for a row that still waits in the queue although its caller no longer does.</summary>
    private async Task ApplyLaterAsync(OwnedUser user, UserState next, PendingWrite write) => Apply(user, next, await write.CommittedAsync());

    private void Apply(OwnedUser user, UserState next, WriteResult result)
    {
        switch (result.Outcome)
        {
            case WriteOutcome.Reached:
                user.Acknowledge(next, result.IsJournaled);
                break;
            case WriteOutcome.Parked or WriteOutcome.Unconfirmed:
                // The write is durable, though not in the table; or it is only unknown whether in the table or parked.
                user.Acknowledge(next, isJournaled: false);
                break;
            default:
                loader.GiveUp(user);
                break;
        }
    }

    [LoggerMessage(EventId = 2004, Level = LogLevel.Warning, Message =
        "Version {Version} of user '{Id}', acknowledged in memory only, is lost because another activation has taken over the user")]
    private static partial void LogMemoryLost(ILogger logger, string id, long version);
}
