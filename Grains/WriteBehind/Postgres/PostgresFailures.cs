using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Tells a database that cannot be used now from one that refuses what it was given. No error of the driver passes it.
/// </summary>
internal sealed partial class PostgresFailures
{
    private const int Attempts = 3;

    private readonly string _user;
    private readonly Action _reconnect;

    /// <param name="settings">Where the database is.</param>
    /// <param name="reconnect">Gives up the connections there are, so that the next one is made anew.</param>
    public PostgresFailures(NpgsqlConnectionStringBuilder settings, Action reconnect)
    {
        var host = settings.Host ?? "localhost";
        var address = host.Contains(',', StringComparison.Ordinal) || host.StartsWith('/') ? host
            : host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{settings.Port}" : $"{host}:{settings.Port}";
        Description = $"PostgreSQL at {address}/{settings.Database ?? settings.Username}";
        _user = settings.Username ?? Environment.UserName;
        _reconnect = reconnect;
    }

    /// <summary>What and where, without secrets.</summary>
    public string Description { get; }

    /// <summary>Runs <paramref name="work"/>, again where it met with a conflict, and tells of an unavailable database as such.</summary>
    /// <param name="work">What to run.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="takesRows">
    /// For work that writes rows: whether the table takes other rows; null if that is not known. With it, rows that are refused
    /// are told of as such.
    /// </param>
    /// <exception cref="StorageUnavailableException">The database cannot be used, or refuses every row.</exception>
    /// <exception cref="RowsRefusedException">It refuses what these rows hold.</exception>
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
                // Someone else's statement crossed ours, and the database gave way to theirs; ours did nothing.
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

    /// <summary>A deadlock or a serialization failure: nothing was done, and the same again may well pass.</summary>
    public static bool IsConflict(PostgresException e) =>
        e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    /// <summary>
    /// True if a new connection may do: the table was altered ("cached plan must not change result type"), or the driver is out
    /// of step with the server, as it is after a statement that failed while it was being prepared.
    /// </summary>
    private static bool IsOfConnection(Exception e, CancellationToken cancellationToken) => e is PostgresException refusal
        ? refusal.SqlState == PostgresErrorCodes.FeatureNotSupported
        : PostgresFaults.Of(e, cancellationToken) is PostgresFault.Unclear;

    /// <summary>As the server's own error when it is told to write.</summary>
    public static PostgresException ReadOnly() => new(
        "the session is read-only", "ERROR", "ERROR", PostgresErrorCodes.ReadOnlySqlTransaction);

    /// <summary>The error for the caller.</summary>
    public StorageUnavailableException Unavailable(Exception e)
    {
        var message = (e as PostgresException)?.SqlState switch
        {
            ['2', '8', ..] => $"{Description} does not let the user \"{_user}\" in: {Text(e)}",
            PostgresErrorCodes.InvalidCatalogName => $"{Description}, as the user \"{_user}\": {Text(e)}",
            PostgresErrorCodes.ReadOnlySqlTransaction => $"{Description} takes no writes, since it is a standby or read-only: {Text(e)}",
            PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement =>
                $"{Description} is reached through a pooler that does not keep prepared statements; add Max Auto Prepare=0 to the connection string: {Text(e)}",
            _ => $"{Description} cannot be used: {Text(e)}",
        };
        return new StorageUnavailableException("the database", message);
    }

    /// <summary>The error for an operator when a migration failed: what the database refuses, and what to do.</summary>
    public Exception NotMigrated(string? script, Exception e)
    {
        var state = (e as PostgresException)?.SqlState;
        if (state != PostgresErrorCodes.InsufficientPrivilege
            && PostgresFaults.Of(e, CancellationToken.None) is PostgresFault.Outage or PostgresFault.WrongServer)
        {
            return Unavailable(e);
        }

        var what = $"The tables in {Description} cannot be made or changed by the user \"{_user}\"{(script is null ? "" : $" (script {script})")}: {Text(e)}.";
        return state switch
        {
            PostgresErrorCodes.InsufficientPrivilege => new StorageUnavailableException("the database",
                $"{what} Make it the owner of the tables, or grant it: GRANT USAGE, CREATE ON SCHEMA public TO \"{_user}\" (PostgreSQL 15 and later grant CREATE to the database's owner only)"),
            ['3', 'F', ..] => new UnsuitableDatabaseException(
                $"{what} Name a schema that exists as Search Path in the connection string, or leave it out"),
            not null => new UnsuitableDatabaseException(
                $"{what} Something else of that name is in the way: use a database or a schema (Search Path) that holds only these tables"),
            null => new StorageUnavailableException("the database", what),
        };
    }

    // Of data errors the message quotes the value, which has no place in a log. All in ASCII but for what the database itself
    // said, so that any encoding can keep it.
    private static string Reason(Exception e) => e switch
    {
        EncoderFallbackException => "the id is not valid Unicode",
        PostgresException { SqlState: ['2', '2', ..] } => Quoted().Replace(Text(e), "\"...\""),
        _ => Text(e),
    };

    [GeneratedRegex("\".*\"", RegexOptions.Singleline)]
    private static partial Regex Quoted();

    // A trigger, or whoever named a table, may have put anything into it.
    private static string Text(Exception e) => PrintableText.Of(e switch
    {
        PostgresException refusal => $"{refusal.MessageText} ({refusal.SqlState})",
        { InnerException: TimeoutException inner } => inner.Message,

        // The table is not what the statements expect, for instance since a column has another type.
        InvalidCastException or FormatException or OverflowException => $"{e.GetType().Name}: {e.Message}",
        _ => e.Message,
    });
}
