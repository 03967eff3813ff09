using System.Net.Sockets;
using System.Text.RegularExpressions;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>Tells a database that cannot be used now from one that refuses what it was given.</summary>
internal sealed partial class PostgresFailures
{
    private const int Attempts = 3;

    private readonly string _user;

    public PostgresFailures(NpgsqlConnectionStringBuilder settings)
    {
        var host = settings.Host ?? "localhost";
        var address = host.Contains(',', StringComparison.Ordinal) || host.StartsWith('/') ? host : $"{host}:{settings.Port}";
        Description = $"PostgreSQL at {address}/{settings.Database ?? settings.Username}";
        _user = settings.Username ?? Environment.UserName;
    }

    /// <summary>What and where, without secrets.</summary>
    public string Description { get; }

    /// <summary>
    /// Runs <paramref name="work"/>, again where it met with a conflict, and tells of an unavailable database as such; with
    /// <paramref name="refusals"/> also of rows that the database refuses.
    /// </summary>
    public async Task<T> GuardAsync<T>(
        Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken, bool refusals = false)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await work(cancellationToken);
            }
            catch (PostgresException e) when (attempt < Attempts && IsConflict(e))
            {
                // Someone else's statement crossed ours, and the database gave way to theirs; ours did nothing.
            }
            catch (PostgresException e) when (refusals && IsRefusal(e.SqlState))
            {
                throw new RowsRefusedException(Reason(e), e);
            }
            catch (Exception e) when (IsUnavailability(e, cancellationToken))
            {
                throw Unavailable(e);
            }
        }
    }

    /// <summary>A deadlock or a serialization failure: nothing was done, and the same again may well pass.</summary>
    public static bool IsConflict(PostgresException e) =>
        e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    /// <summary>True where the fault lies with the database or the way to it, not with the rows.</summary>
    public static bool IsUnavailability(Exception e, CancellationToken cancellationToken) => e switch
    {
        PostgresException refusal => IsUnavailability(refusal.SqlState),
        NpgsqlException or SocketException or IOException or TimeoutException => true,

        // Npgsql reports its own time-outs as cancellations in places; the caller's stay what they are.
        OperationCanceledException => !cancellationToken.IsCancellationRequested,
        _ => false,
    };

    /// <summary>The error for the caller.</summary>
    public StorageUnavailableException Unavailable(Exception e)
    {
        var message = (e as PostgresException)?.SqlState switch
        {
            ['2', '8', ..] => $"{Description} does not let the user \"{_user}\" in: {Text(e)}",
            PostgresErrorCodes.InvalidCatalogName => $"{Description}, as the user \"{_user}\": {Text(e)}",
            _ => $"{Description} cannot be used: {Text(e)}",
        };
        return new StorageUnavailableException("the database", message);
    }

    private static bool IsUnavailability(string state) =>
        state is PostgresErrorCodes.InvalidCatalogName // No such database.
            or PostgresErrorCodes.ReadOnlySqlTransaction // A standby, after a fail-over.
            or PostgresErrorCodes.LockNotAvailable // A lock_timeout is a time-out.
            or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure // Still so after several attempts.
        || state[..2] is "08" // Connection.
            or "28" // Authorization.
            or "53" // Resources: disk, memory, connections.
            or "57" // Operator intervention: shutdown, starting up, statement_timeout.
            or "58"; // The system under the server.

    /// <summary>
    /// True where the fault lies with what a row holds. Only such errors may park a row: a table that is missing, a right
    /// that was taken away, or a defect of ours would befall all rows, and passes once it is mended.
    /// </summary>
    private static bool IsRefusal(string state) =>
        state is PostgresErrorCodes.ProgramLimitExceeded // A value too long for an index on it.
        || state[..2] is "22" // Data: no such character, number, date; JSON that jsonb cannot hold.
            or "23" // Constraints.
            or "44" // The check option of a view.
            or "45" // A trigger's own code, by the convention of other databases.
            or "P0"; // RAISE in a trigger.

    // Of data errors the message quotes the value, which has no place in a log.
    private static string Reason(PostgresException e) =>
        Text(e) is var text && e.SqlState.StartsWith("22", StringComparison.Ordinal) ? Quoted().Replace(text, "\"…\"") : text;

    [GeneratedRegex("\".*\"", RegexOptions.Singleline)]
    private static partial Regex Quoted();

    private static string Text(Exception e) => e switch
    {
        PostgresException refusal => $"{refusal.MessageText} ({refusal.SqlState})",
        { InnerException: TimeoutException inner } => inner.Message,
        _ => e.Message,
    };
}
