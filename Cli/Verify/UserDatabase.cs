using System.Data.Common;
using System.Net.Sockets;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using Actors.Cli.Commands;
using Actors.Cli.Output;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Actors.Cli.Verify;

/// <summary>A user's row.</summary>
internal readonly record struct UserRow(string Id, long Version, ReadOnlyMemory<byte> State);

/// <summary>
/// The database behind the cluster, read directly, past all grains and caches: of each user the later of its rows in the
/// tables users and parked.
/// </summary>
internal sealed class UserDatabase
{
    private readonly Func<DbConnection> _connect;
    private readonly string _query;

    private UserDatabase(string description, Func<DbConnection> connect, string query) =>
        (Description, _connect, _query) = (description, connect, query);

    /// <summary>What and where it is, without secrets.</summary>
    public string Description { get; }

    /// <summary>
    /// The database named by an option, else the one of <c>ConnectionStrings:postgres</c>, else that of the embedded silo.
    /// </summary>
    /// <exception cref="UsageException">None of them names one, or one that cannot be read.</exception>
    public static UserDatabase Find(string? postgres, string? sqlite, CommandContext context)
    {
        if (postgres is not null && sqlite is not null)
            throw new UsageException("both --postgres and --sqlite are given; give one");
        if (postgres is not null)
            return Postgres(postgres, "--postgres");
        if (sqlite is not null)
            return Sqlite(sqlite);
        if (context.Configuration["ConnectionStrings:postgres"] is { Length: > 0 } configured)
            return Postgres(configured, "ConnectionStrings:postgres");
        if (EmbeddedSilo.Find(context.Directory) is { } embedded)
            return Sqlite(embedded.Database);
        throw new UsageException(
            "no database to verify: name it with --postgres or --sqlite, set ConnectionStrings__postgres, or run this where an " +
            $"embedded silo was started ({EmbeddedSilo.FileName} here or above)");
    }

    public async IAsyncEnumerable<UserRow> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connection = _connect();
        await connection.OpenAsync(cancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = _query;
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var state = reader.GetValue(2) is byte[] bytes ? bytes : Encoding.UTF8.GetBytes(reader.GetString(2));
            yield return new(reader.GetString(0), reader.GetInt64(1), state);
        }
    }

    private static UserDatabase Postgres(string connectionString, string source)
    {
        NpgsqlConnectionStringBuilder parsed;
        try
        {
            parsed = new(connectionString) { ApplicationName = "actors verify" };
        }
        catch (ArgumentException)
        {
            // Without the inner message, which may quote a piece of a password.
            throw new UsageException($"{source} cannot be read as a PostgreSQL connection string; " +
                "expected is Host=…;Username=…;Password=…;Database=…");
        }

        // Of several hosts a standby may lag behind what was acknowledged.
        if (parsed.Host?.Contains(',', StringComparison.Ordinal) == true) parsed.TargetSessionAttributes ??= "primary";
        return new(
            $"PostgreSQL at {Text.Printable($"{HostOf(parsed)}:{parsed.Port}/{parsed.Database}")}",
            () => new NpgsqlConnection(parsed.ConnectionString),
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
