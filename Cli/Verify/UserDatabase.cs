using System.CommandLine;
using System.Data;
using System.Data.Common;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Actors.Cli.Commands;
using Actors.Cli.Output;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Actors.Cli.Verify;

/// <summary>A user's row.</summary>
internal readonly record struct UserRow(string Id, long Version, ReadOnlyMemory<byte> State);

/// <summary>
/// The database of the cluster, read directly, past grains and caches: for each user the later of its rows in the tables users
/// and parked.
/// </summary>
internal sealed class UserDatabase
{
    private readonly Func<DbConnection> _connect;
    private readonly Func<DbConnection, CancellationToken, ValueTask<DbTransaction>> _begin;
    private readonly string _query;

    private UserDatabase(
        string description, Func<DbConnection> connect, Func<DbConnection, CancellationToken, ValueTask<DbTransaction>> begin, string query) =>
        (Description, _connect, _begin, _query) = (description, connect, begin, query);

    /// <summary>Its kind and location, without secrets.</summary>
    public string Description { get; }

    public static Option<string?> PostgresOption() => OptionKinds.Word(
        "--postgres", "Connection string of the database; default: ConnectionStrings__postgres.", "CONNSTR");

    public static Option<string?> SqliteOption() => OptionKinds.Word(
        "--sqlite", "Path of the SQLite database; default: the database of the embedded silo.", "PATH");

    /// <summary>
    /// The database given by an option, else by <c>ConnectionStrings:postgres</c>, else that of the embedded silo.
    /// </summary>
    /// <param name="postgres">The connection string given by the option, or null.</param>
    /// <param name="sqlite">The path given by the option, or null.</param>
    /// <param name="context">The environment and directory to search.</param>
    /// <param name="purpose">The purpose of the command, for messages.</param>
    /// <exception cref="UsageException">No database is given, or its connection string is invalid.</exception>
    public static UserDatabase Find(string? postgres, string? sqlite, CommandContext context, string purpose)
    {
        if (postgres is not null && sqlite is not null)
            throw new UsageException("both --postgres and --sqlite are given; use one");
        if (postgres is not null)
            return Postgres(postgres, "--postgres", purpose);
        if (sqlite is not null)
            return Sqlite(sqlite);
        if (context.Configuration["ConnectionStrings:postgres"] is { Length: > 0 } configured)
            return Postgres(configured, "ConnectionStrings:postgres", purpose);
        if (EmbeddedSilo.Find(context.Directory) is { } embedded)
            return Sqlite(embedded.Database);
        throw new UsageException(
            $"no database to {purpose}: use --postgres or --sqlite, set ConnectionStrings__postgres, or run this where an " +
            $"embedded silo was started ({EmbeddedSilo.FileName} here or above)");
    }

    public async IAsyncEnumerable<UserRow> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var snapshot = await OpenAsync(cancellationToken);
        await foreach (var row in snapshot.ReadAsync(cancellationToken))
            yield return row;
    }

    /// <summary>A snapshot of the current database, which can be read several times.</summary>
    public async Task<UserSnapshot> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = _connect();
        try
        {
            await connection.OpenAsync(cancellationToken);
            return new(connection, await _begin(connection, cancellationToken), _query);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static UserDatabase Postgres(string connectionString, string source, string purpose)
    {
        NpgsqlConnectionStringBuilder parsed;
        try
        {
            parsed = new(connectionString) { ApplicationName = $"actors {purpose}" };
        }
        catch (ArgumentException)
        {
            // Omits the inner message, which may quote part of a password.
            throw new UsageException($"{source} is not a valid PostgreSQL connection string; " +
                "expected Host=…;Username=…;Password=…;Database=…");
        }

        // With several hosts, a standby may lag behind acknowledged writes.
        if (parsed.Host?.Contains(',', StringComparison.Ordinal) == true) parsed.TargetSessionAttributes ??= "primary";
        return new(
            $"PostgreSQL at {Text.Printable($"{HostOf(parsed)}:{parsed.Port}/{parsed.Database}")}",
            () => new NpgsqlConnection(parsed.ConnectionString),
            (connection, cancellationToken) => connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken),
            Query("state::text", "convert_from(state, 'UTF8')"));
    }

    private static string? HostOf(NpgsqlConnectionStringBuilder parsed) =>
        IPAddress.TryParse(parsed.Host, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{parsed.Host}]" : parsed.Host;

    private static UserDatabase Sqlite(string path)
    {
        if (!File.Exists(path))
            throw new UsageException($"there is no SQLite database '{Text.Short(path, 256)}'");
        var connectionString = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false };
        return new(
            $"SQLite at {Text.Printable(path)}",
            () => new SqliteConnection(connectionString.ConnectionString),

            // Any other transaction would write.
            (connection, _) => new(((SqliteConnection)connection).BeginTransaction(deferred: true)),
            Query("state", "state"));
    }

    private static string Query(string state, string parkedState) => $"""
        SELECT id, version, {state} FROM users
        WHERE NOT EXISTS (SELECT 1 FROM parked WHERE parked.id = users.id AND parked.version > users.version)
        UNION ALL
        SELECT id, version, {parkedState} FROM parked
        WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = parked.id AND users.version >= parked.version)
        """;
}
