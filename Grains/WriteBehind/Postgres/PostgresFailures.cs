using System.Net.Sockets;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>Tells a database that cannot be used now from one that refuses what it was given.</summary>
internal sealed class PostgresFailures
{
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

    private static string Text(Exception e) => e switch
    {
        PostgresException refusal => $"{refusal.MessageText} ({refusal.SqlState})",
        { InnerException: TimeoutException inner } => inner.Message,
        _ => e.Message,
    };
}
