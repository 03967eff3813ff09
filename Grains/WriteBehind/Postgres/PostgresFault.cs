using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>The cause of an error of PostgreSQL or of the connection to it.</summary>
internal enum PostgresFault
{
    /// <summary>Not the database: the caller cancelled, or the error is translated already.</summary>
    None,

    /// <summary>The database, its machine or the network. It passes, or must be fixed there.</summary>
    Outage,

    /// <summary>The server refuses writes: a standby, after a failover. A new connection may reach the primary.</summary>
    WrongServer,

    /// <summary>The content of a row.</summary>
    Row,

    /// <summary>One row or all of them; only a probe of the table can tell.</summary>
    Unclear,
}

/// <summary>Classifies errors, by SQLSTATE if there is one.</summary>
internal static class PostgresFaults
{
    public static PostgresFault Of(Exception error, CancellationToken cancellationToken) => error switch
    {
        PostgresException refusal => Of(refusal.SqlState),
        NpgsqlException or SocketException or IOException or TimeoutException => PostgresFault.Outage,

        // Npgsql sometimes reports its own timeouts as cancellations; cancellations by the caller are not faults.
        OperationCanceledException => cancellationToken.IsCancellationRequested ? PostgresFault.None : PostgresFault.Outage,

        // The key is not valid Unicode: it contains half of a surrogate pair.
        EncoderFallbackException => PostgresFault.Row,
        StorageUnavailableException or RowsRefusedException or UnsuitableDatabaseException => PostgresFault.None,
        _ => PostgresFault.Unclear,
    };

    /// <summary>True if the error is a timeout, for instance of a lock.</summary>
    public static bool IsTimeout(Exception error) => error is
        PostgresException { SqlState: PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable }
        or NpgsqlException { InnerException: TimeoutException };

    /// <summary>Classifies by SQLSTATE alone. Unknown codes are unclear: neither retried forever nor blamed on a row without a probe.</summary>
    public static PostgresFault Of(string state) => state switch
    {
        PostgresErrorCodes.ReadOnlySqlTransaction => PostgresFault.WrongServer,
        PostgresErrorCodes.InvalidCatalogName => PostgresFault.Outage, // No such database.
        PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement => PostgresFault.Outage, // A pooler in between.
        PostgresErrorCodes.NotNullViolation => PostgresFault.Unclear, // A new column without a default affects every row.
        PostgresErrorCodes.ProgramLimitExceeded => PostgresFault.Row, // A value too long for an index on it.
        { Length: >= 2 } => state[..2] switch
        {
            "08" // Connection.
                or "25" // The state of the session, its time-outs.
                or "28" // Authorization.
                or "40" // Conflicts that persist after retries.
                or "53" // Resources: disk, memory, connections.
                or "55" // Locks, objects in use.
                or "57" // Operator intervention: shutdown, starting up, statement_timeout.
                or "58" // The system under the server.
                => PostgresFault.Outage,
            "22" // Data: no such character, number, date; JSON that jsonb cannot hold.
                or "23" // Constraints.
                or "44" // The check option of a view.
                or "45" // A trigger's own code, by the convention of other databases.
                or "P0" // RAISE in a trigger.
                => PostgresFault.Row,
            _ => PostgresFault.Unclear,
        },
        _ => PostgresFault.Unclear,
    };
}
