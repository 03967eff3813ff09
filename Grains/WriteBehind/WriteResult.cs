namespace Actors.WriteBehind;

/// <summary>The outcome of a write.</summary>
internal enum WriteOutcome : byte
{
    /// <summary>The row was not written and never will be: the key has another owner.</summary>
    NotWritten,

    /// <summary>The row has reached the durability.</summary>
    Reached,

    /// <summary>The key has another owner, which found the row in the journal. Its later version, in the database, includes the write.</summary>
    WrittenByNextOwner,

    /// <summary>The key has another owner. The row is in the journal but not in the database: the next owner builds on it.</summary>
    LeftInJournal,

    /// <summary>The key has another owner, which may or may not have found the row: the journal did not answer.</summary>
    Unknown,

    /// <summary>The database was requested, and it refused and parked the row; the next owner still finds it.</summary>
    Parked,

    /// <summary>The commit is not confirmed in time. The row still waits for it, or is in the database already.</summary>
    Unconfirmed,
}

/// <summary>The result of a write, or of a wait for an earlier one.</summary>
/// <param name="Outcome">The outcome.</param>
internal readonly record struct WriteResult(WriteOutcome Outcome)
{
    /// <summary>The durability reached, of a row that was written.</summary>
    public Durability Durability { get; init; }

    /// <summary>True if the next owner finds the row in the journal until the database and the cached copy hold it.</summary>
    public bool IsJournaled { get; init; }

    /// <summary>Why the row is parked, not confirmed, or not committed.</summary>
    public string? Reason { get; init; }

    public static WriteResult Reached(Durability durability, bool isJournaled) =>
        new(WriteOutcome.Reached) { Durability = durability, IsJournaled = isJournaled };
}
