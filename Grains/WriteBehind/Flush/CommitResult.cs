namespace Actors.WriteBehind;

/// <summary>The outcome of a row on its way from the queue to the database.</summary>
internal enum CommitOutcome : byte
{
    /// <summary>The table holds the row, or a later version of the same owner.</summary>
    Committed,

    /// <summary>The fence refused the row: the table holds the same or a later version of another owner.</summary>
    Fenced,

    /// <summary>The table refused the content of the row, so it was parked.</summary>
    Parked,

    /// <summary>Not known in time.</summary>
    Unconfirmed,
}

/// <summary>The outcome of a commit.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Reason">Why the row is parked or not confirmed; else null.</param>
/// <param name="StoredVersion">The version that the table holds instead of a fenced row; else 0.</param>
internal readonly record struct CommitResult(CommitOutcome Outcome, string? Reason = null, long StoredVersion = 0);
