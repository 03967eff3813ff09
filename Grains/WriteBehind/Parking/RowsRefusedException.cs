namespace Actors.WriteBehind;

/// <summary>
/// The database refused a batch for what its rows hold: it is well, and will refuse the same rows again. Nothing was
/// committed. Not for what would befall any row, as a table that is missing does.
/// </summary>
/// <param name="reason">What the database said, without the rows.</param>
/// <param name="inner">The driver's error.</param>
public sealed class RowsRefusedException(string reason, Exception? inner = null) : Exception(reason, inner)
{
    /// <summary>
    /// True if the fault is known to lie with the rows, so that one that is refused alone may be parked. False if it may as
    /// well befall every row: one that is refused alone is then held and tried again. Default: true.
    /// </summary>
    public bool IsCertain { get; init; } = true;

    /// <summary>The keys of the rows that it is due to, where the database can name them; else null.</summary>
    public IReadOnlySet<string>? Keys { get; init; }

    /// <summary>What the database said, without the rows.</summary>
    public string Reason => Message;
}

/// <summary>A row that was waited for is durable, but parked instead of committed to the table.</summary>
internal sealed class RowParkedException(string key, string reason) : Exception($"{WellFormedText.Quote(key)} was refused by the database and parked: {reason}")
{
    /// <summary>What the database said.</summary>
    public string Reason { get; } = reason;
}
