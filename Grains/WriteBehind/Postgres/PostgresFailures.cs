using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Translates driver errors: either the database is unavailable, or it refuses the content of rows. No driver error passes it.
/// </summary>
internal sealed partial class PostgresFailures
{
    private const int Attempts = 3;

    private readonly string _user;
    private readonly Action _reconnect;

    /// <param name="settings">The connection settings of the database.</param>
    /// <param name="reconnect">Drops the existing connections, so that new ones are opened.</param>
    public PostgresFailures(NpgsqlConnectionStringBuilder settings, Action reconnect)
    {
        var host = settings.Host ?? "localhost";
        var address = host.Contains(',', StringComparison.Ordinal) || host.StartsWith('/') ? host
            : host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{settings.Port}" : $"{host}:{settings.Port}";
        Description = $"PostgreSQL at {address}/{settings.Database ?? settings.Username}";
        _user = settings.Username ?? Environment.UserName;
        _reconnect = reconnect;
    }

    /// <summary>The kind and address of the database, without secrets.</summary>
    public string Description { get; }

    /// <summary>Runs <paramref name="work"/>, retries it after a conflict, and translates errors.</summary>
    /// <param name="work">The work to run.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <param name="takesRows">
    /// For work that writes rows: returns whether the table accepts other rows; null if unknown. Required to report refused rows as
    /// such.
    /// </param>
    /// <exception cref="StorageUnavailableException">The database is unavailable, or refuses every row.</exception>
    /// <exception cref="RowsRefusedException">The database refuses the content of these rows.</exception>
    public async Task<T> GuardAsync<T>(
        Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken, Func<CancellationToken, Task<bool?>>? takesRows = null)
    {
        var isFresh = false;
        for (var attempt = 1; ; attempt++)
        {
            PostgresFault fault;
            Exception error;
            try
            {
                return await work(cancellationToken);
            }
            catch (PostgresException e) when (attempt < Attempts && IsConflict(e))
            {
                // The database aborted this statement in favour of a concurrent one; nothing was done.
                continue;
            }
            catch (Exception e) when (!isFresh && IsOfConnection(e, cancellationToken))
            {
                _reconnect();
                isFresh = true;
                continue;
            }
            catch (Exception e) when (PostgresFaults.Of(e, cancellationToken) is not PostgresFault.None and var found)
            {
                (fault, error) = (found, e);
            }

            if (fault is PostgresFault.WrongServer) _reconnect();
            if (takesRows is null || fault is PostgresFault.Outage or PostgresFault.WrongServer) throw Unavailable(error);
            if (fault is PostgresFault.Row) throw new RowsRefusedException(Reason(error), error);
            throw await takesRows(cancellationToken) switch
            {
                false => Unavailable(error),
                var isCertain => new RowsRefusedException(Reason(error), error) { IsCertain = isCertain is true },
            };
        }
    }

    /// <summary>A deadlock or a serialization failure: nothing was done, and a retry may succeed.</summary>
    public static bool IsConflict(PostgresException e) =>
        e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    /// <summary>
    /// True if a new connection may help: the table was altered ("cached plan must not change result type"), or the driver lost
    /// sync with the server, as after a statement that failed while it was being prepared.
    /// </summary>
    private static bool IsOfConnection(Exception e, CancellationToken cancellationToken) => e is PostgresException refusal
        ? refusal.SqlState == PostgresErrorCodes.FeatureNotSupported
        : PostgresFaults.Of(e, cancellationToken) is PostgresFault.Unclear;

    /// <summary>Equals the server's own error for a write in a read-only session.</summary>
    public static PostgresException ReadOnly() => new(
        "the session is read-only", "ERROR", "ERROR", PostgresErrorCodes.ReadOnlySqlTransaction);

    /// <summary>The error for the caller.</summary>
    public StorageUnavailableException Unavailable(Exception e)
    {
        var message = (e as PostgresException)?.SqlState switch
        {
            ['2', '8', ..] => $"{Description} rejects the user \"{_user}\": {Text(e)}",
            PostgresErrorCodes.InvalidCatalogName => $"{Description}, as the user \"{_user}\": {Text(e)}",
            PostgresErrorCodes.ReadOnlySqlTransaction => $"{Description} accepts no writes because it is a standby or read-only: {Text(e)}",
            PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement =>
                $"{Description} is reached through a pooler that does not keep prepared statements; add Max Auto Prepare=0 to the connection string: {Text(e)}",
            _ => $"{Description} cannot be used: {Text(e)}",
        };
        return new StorageUnavailableException("the database", message);
    }

    /// <summary>The operator's error for a failed migration: what the database refuses, and what to do.</summary>
    public Exception NotMigrated(string? script, Exception e)
    {
        var state = (e as PostgresException)?.SqlState;
        if (state != PostgresErrorCodes.InsufficientPrivilege
            && PostgresFaults.Of(e, CancellationToken.None) is PostgresFault.Outage or PostgresFault.WrongServer)
        {
            return Unavailable(e);
        }

        var where = script is null ? Description : $"{Description} (script {script})";
        var what = $"The user \"{_user}\" cannot create or change the tables in {where}: {Text(e)}.";
        return state switch
        {
            PostgresErrorCodes.InsufficientPrivilege => new StorageUnavailableException("the database",
                $"{what} Make it the owner of the tables, or grant it: GRANT USAGE, CREATE ON SCHEMA public TO \"{_user}\" (PostgreSQL 15 and later grant CREATE to the database's owner only)"),
            ['3', 'F', ..] => new UnsuitableDatabaseException(
                $"{what} Set Search Path in the connection string to an existing schema, or remove it"),
            not null => new UnsuitableDatabaseException(
                $"{what} Another object of that name exists: use a database or a schema (Search Path) that holds only these tables"),
            null => new StorageUnavailableException("the database", what),
        };
    }

    // For data errors the message quotes the value, which must not be logged. Our own text is ASCII, so any encoding can
    // store it.
    private static string Reason(Exception e) => e switch
    {
        EncoderFallbackException => "the id is not valid Unicode",
        PostgresException { SqlState: ['2', '2', ..] } => Quoted().Replace(Text(e), "\"...\""),
        _ => Text(e),
    };

    [GeneratedRegex("\".*\"", RegexOptions.Singleline)]
    private static partial Regex Quoted();

    // The text may come from a trigger or from the name of a table, so it may contain anything.
    private static string Text(Exception e) => PrintableText.Of(e switch
    {
        PostgresException refusal => $"{refusal.MessageText} ({refusal.SqlState})",
        { InnerException: TimeoutException inner } => inner.Message,

        // The table does not match the statements, for instance because a column has another type.
        InvalidCastException or FormatException or OverflowException => $"{e.GetType().Name}: {e.Message}",
        _ => e.Message,
    });
}
