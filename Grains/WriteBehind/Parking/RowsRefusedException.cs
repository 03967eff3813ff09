namespace Actors.WriteBehind;

/// <summary>
/// The database refused a batch because of the content of its rows. It works, and will refuse the same rows again. Nothing was
/// committed. Not for errors that affect every row, such as a missing table.
/// </summary>
/// <param name="reason">The database's message, without the content of the rows.</param>
/// <param name="inner">The driver's error.</param>
public sealed class RowsRefusedException(string reason, Exception? inner = null) : Exception(reason, inner)
{
    /// <summary>
    /// True if the rows are known to cause the error, so a row that is refused alone may be parked. False if the error may affect
    /// every row: a row that is refused alone is then held and retried. Default: true.
    /// </summary>
    public bool IsCertain { get; init; } = true;

    /// <summary>The keys of the rows that cause the error, if the database can name them; else null.</summary>
    public IReadOnlySet<string>? Keys { get; init; }

    /// <summary>The database's message, without the content of the rows.</summary>
    public string Reason => Message;
}
