using Actors.Core;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;

namespace Actors.Users;

/// <summary>Releases a user at its deactivation, so that the next owner finds every acknowledged write. Runs in turns of the user's grain.</summary>
internal sealed partial class UserRelease(WriteBehindTable table, ILogger logger)
{
    public async Task ReleaseAsync(OwnedUser user, DeactivationReason reason, CancellationToken cancellationToken)
    {
        // Commit writes that bypassed the journal and remove older cached copies; otherwise the next owner would miss them. Do the
        // same for all writes while the next owner may be a silo that cannot read the journal. If this fails, keep the ownership:
        // an owner that takes over a key that was not released reads the database.
        var isJournalEnough = user.IsJournaled && !table.IsAnyOtherCutOff;

        // At shutdown there may be thousands of these; one log line then counts the rows that remain in the queue.
        var level = reason.ReasonCode == DeactivationReasonCode.ShuttingDown ? LogLevel.Debug : LogLevel.Warning;
        if (!isJournalEnough && !await CommitAsync(user, level, cancellationToken)) return;

        // If the journal is lost or unreachable, commit as well: the next owner may be on another silo, with only the database.
        if (!await table.ReleaseAsync(user.Owner) && await CommitAsync(user, level, cancellationToken)) await table.ReleaseAsync(user.Owner);
    }

    private async Task<bool> CommitAsync(OwnedUser user, LogLevel level, CancellationToken cancellationToken)
    {
        // Limited, because calls for the next activation wait for this one.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(2 * Departure.Grace);
        var (id, version) = (user.Owner.Key, user.Acknowledged.Version);
        string? reason;
        try
        {
            var result = await table.CommittedAsync(id, version, limit.Token);

            // A parked row is in the database too, and the next owner finds it there.
            if (result.Outcome is WriteOutcome.Reached or WriteOutcome.Parked) return await table.UncacheAsync(id, version);
            reason = result.Reason;
        }
        catch (OperationCanceledException error)
        {
            reason = error.Message;
        }

        LogLeftInMemory(logger, level, id, reason);
        return false;
    }

    [LoggerMessage(EventId = 2003, Message =
        "User '{Id}' was deactivated with a write that is only in this silo's memory, so the next activation may not find it: {Reason}")]
    private static partial void LogLeftInMemory(ILogger logger, LogLevel level, string id, string? reason);
}
