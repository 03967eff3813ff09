using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>What an error of PostgreSQL, or of the way to it, is the fault of.</summary>
internal enum PostgresFault
{
    /// <summary>None of the database: a cancellation that the caller asked for, or an error that is told of already.</summary>
    None,

    /// <summary>The database, the machine under it or the way to it. Passes, or is mended there.</summary>
    Outage,

    /// <summary>The server takes no writes: a standby, after a failover. Another connection may lead to the right one.</summary>
    WrongServer,

    /// <summary>What a row holds.</summary>
    Row,

    /// <summary>A row or all of them: it takes a look at the table to know.</summary>
    Unclear,
}

/// <summary>Tells faults apart, by SQLSTATE where there is one.</summary>
internal static class PostgresFaults
{
    public static PostgresFault Of(Exception error, CancellationToken cancellationToken) => error switch
    {
        PostgresException refusal => Of(refusal.SqlState),
        NpgsqlException or SocketException or IOException or TimeoutException => PostgresFault.Outage,

        // Npgsql reports its own time-outs as cancellations in places; the caller's stay what they are.
        OperationCanceledException => cancellationToken.IsCancellationRequested ? PostgresFault.None : PostgresFault.Outage,

        // A key that is no Unicode: half of a surrogate pair.
        EncoderFallbackException => PostgresFault.Row,
        StorageUnavailableException or RowsRefusedException or UnsuitableDatabaseException => PostgresFault.None,
        _ => PostgresFault.Unclear,
    };

    /// <summary>True where it waited too long, for instance for a lock.</summary>
    public static bool IsTimeout(Exception error) => error is
        PostgresException { SqlState: PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable }
        or NpgsqlException { InnerException: TimeoutException };

    /// <summary>By the code alone. A code that is new is unclear: it is neither retried for ever nor held against a row unseen.</summary>
    public static PostgresFault Of(string state) => state switch
    {
        PostgresErrorCodes.ReadOnlySqlTransaction => PostgresFault.WrongServer,
        PostgresErrorCodes.InvalidCatalogName => PostgresFault.Outage, // No such database.
        PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement => PostgresFault.Outage, // A pooler in between.
        PostgresErrorCodes.NotNullViolation => PostgresFault.Unclear, // A column may have been added that nobody fills.
        PostgresErrorCodes.ProgramLimitExceeded => PostgresFault.Row, // A value too long for an index on it.
        { Length: >= 2 } => state[..2] switch
        {
            "08" // Connection.
                or "25" // The state of the session, its time-outs.
                or "28" // Authorization.
                or "40" // Conflicts that last.
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
