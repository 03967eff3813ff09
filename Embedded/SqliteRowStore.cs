using Actors.Core;
using Actors.Embedded.Integrity;
using Actors.WriteBehind;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Embedded;

/// <summary>
/// Rows in a SQLite file that several processes of this machine may share. A batch is one transaction, and is on disk (fsync)
/// when the call returns.
/// </summary>
public sealed class SqliteRowStore : IRowStore, IAsyncDisposable
{
    // The journal mode is stored in the file. The other two settings apply to the writing connection.
    private const string Pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;";

    private const string ReadSql = """
        SELECT version, epoch, CAST(state AS BLOB), 0 FROM users WHERE id = $id
        UNION ALL SELECT version, epoch, state, 1 FROM parked WHERE id = $id
        """;

    // The number of rows for probing the table. Several, because some may be refused for their own content.
    private const int Tries = 5;

    private readonly string _path;
    private readonly string? _serviceId;
    private readonly string _connectionString;
    private readonly ILogger _logger;

    // SQLite allows one writing connection at a time. Waiting here occupies no thread.
    private readonly SemaphoreSlim _writing = new(1);
    private SqliteWriter? _writer;

    /// <summary>Stores rows in the file <paramref name="path"/>, which is created if it does not exist.</summary>
    /// <param name="path">The file.</param>
    /// <param name="logger">The logger for migrations.</param>
    /// <param name="serviceId">
    /// The service that owns the tables. It is recorded in the file, and a silo refuses tables of another service. Null to skip
    /// the check.
    /// </param>
    public SqliteRowStore(string path, ILogger? logger = null, string? serviceId = null)
    {
        _serviceId = serviceId;
        _path = Path.GetFullPath(path);
        _logger = logger ?? NullLogger.Instance;
        _connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = _path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = 10,
        }.ConnectionString;
        Parked = new SqliteParkedRows(this);
    }

    /// <inheritdoc/>
    public IParkedRows Parked { get; }

    /// <inheritdoc/>
    public string Description => $"SQLite in {_path}";

    /// <inheritdoc/>
    public Task MigrateAsync(CancellationToken cancellationToken) =>
        GuardAsync(
            async () =>
            {
                Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
                await SqliteMigration.RunAsync(_path, _connectionString, Pragmas, _serviceId, Description, _logger, cancellationToken);

                // From here on a missing database is detected.
                return await WriteLockedAsync(
                    static writer =>
                    {
                        using var transaction = writer.Begin();
                        writer.Commit(transaction);
                        return 0;
                    },
                    cancellationToken);
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        ReadAsync(connection => Read(connection, keys), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<FencedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<FencedRow>>([])
            : WriteAsync(writer => writer.Upsert(rows, cancellationToken), cancellationToken, [.. rows.Select(row => row.Key)]);

    /// <inheritdoc/>
    public Task CheckAsync(CancellationToken cancellationToken) => WriteAsync(
        writer =>
        {
            // A read-only file or disk shows only when the write lock is taken.
            using var transaction = writer.Begin();
            return writer.Find("");
        },
        cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _writing.WaitAsync();
        try
        {
            DropWriter();

            // Closes the pooled connections. On closing the last one SQLite merges the write-ahead log into the file.
            using var connection = new SqliteConnection(_connectionString);
            SqliteConnection.ClearPool(connection);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Writes over the writing connection. The work begins and commits one transaction.</summary>
    /// <param name="write">The work.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    /// <param name="keys">
    /// The keys of the rows that the work writes to the table. Only with keys, refused rows are reported as such.
    /// </param>
    internal Task<T> WriteAsync<T>(Func<SqliteWriter, T> write, CancellationToken cancellationToken, IReadOnlyList<string>? keys = null) =>
        GuardAsync(() => WriteLockedAsync(write, cancellationToken), cancellationToken, keys);

    /// <summary>Reads over a separate connection.</summary>
    internal Task<T> ReadAsync<T>(Func<SqliteConnection, T> read, CancellationToken cancellationToken) => GuardAsync(
        () =>
        {
            using var connection = new SqliteConnection(_connectionString);
            connection.Open();
            return Task.FromResult(read(connection));
        },
        cancellationToken);

    private static IReadOnlyList<Row> Read(SqliteConnection connection, IReadOnlyList<string> keys)
    {
        using var command = connection.CreateCommand();
        command.CommandText = ReadSql;
        var id = command.Parameters.Add("$id", SqliteType.Text);
        var rows = new List<Row>(keys.Count);
        foreach (var key in keys)
        {
            id.Value = key;
            using var reader = command.ExecuteReader();
            Row? latest = null;
            while (reader.Read())
            {
                // If a key has both, the later one counts; if the versions are equal, the one of the table, which comes first.
                if (latest is null || latest.Version < reader.GetInt64(0))
                    latest = new Row(key, reader.GetInt64(0), reader.GetInt64(1), reader.GetFieldValue<byte[]>(2))
                    {
                        IsParked = reader.GetBoolean(3),
                    };
            }

            if (latest is not null)
                rows.Add(latest);
        }

        return rows;
    }

    private async Task<T> WriteLockedAsync<T>(Func<SqliteWriter, T> write, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            _writer ??= new SqliteWriter(ConnectToWrite(), new CommitRecord(_path));
            return write(_writer);
        }
        catch
        {
            // Disposing rolls back. The next batch starts with a new connection, whatever the state of this one.
            DropWriter();
            throw;
        }
        finally
        {
            _writing.Release();
        }
    }

    private void DropWriter()
    {
        _writer?.Dispose();
        _writer = null;
    }

    private SqliteConnection ConnectToWrite()
    {
        var connection = new SqliteConnection(_connectionString);
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = Pragmas;
            command.ExecuteNonQuery();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    // Runs on the thread pool, because SQLite's calls are synchronous and wait for the disk. A grain's turn must not block.
    private async Task<T> GuardAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken, IReadOnlyList<string>? keys = null)
    {
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        catch (SqliteException e) when (keys is not null && IsRefusal(e))
        {
            throw new RowsRefusedException(e.Message, e);
        }
        catch (SqliteException e) when (keys is not null && !IsUnavailability(e))
        {
            // The error code does not show whether the rows or the table are at fault. If other rows pass, these rows are.
            throw await TakesOthersAsync(keys, cancellationToken) switch
            {
                false => Unavailable(e),
                var isCertain => new RowsRefusedException(e.Message, e) { IsCertain = isCertain is true },
            };
        }
        catch (Exception e) when (e is SqliteException || IsUnavailability(e))
        {
            throw Unavailable(e);
        }
    }

    // Like PostgresProbe.
    private async Task<bool?> TakesOthersAsync(IReadOnlyList<string> refused, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(() => WriteLockedAsync(writer => writer.TakesOthers(refused, Tries), cancellationToken), cancellationToken);
        }
        catch (Exception e) when (e is SqliteException or InvalidOperationException)
        {
            // The probe failed too, or a trigger rolled the transaction back.
            return false;
        }
    }

    private StorageUnavailableException Unavailable(Exception e) => new("the database", $"{Description} cannot be used: {e.Message}");

    private static bool IsRefusal(SqliteException e) =>
        e.SqliteErrorCode is SqliteCodes.TooBig or SqliteCodes.Constraint or SqliteCodes.Mismatch
        || (e.SqliteErrorCode == SqliteCodes.Error && e.Message.Contains("malformed JSON", StringComparison.Ordinal));

    // A missing table is not included, because its code is shared with many errors. It takes a closer look.
    private static bool IsUnavailability(Exception e) => e switch
    {
        SqliteException { SqliteErrorCode: var code } => code is
            SqliteCodes.Internal or SqliteCodes.Perm or SqliteCodes.Busy or SqliteCodes.Locked or SqliteCodes.NoMemory or SqliteCodes.ReadOnly
            or SqliteCodes.Interrupt or SqliteCodes.InputOutput or SqliteCodes.Corrupt or SqliteCodes.Full
            or SqliteCodes.CannotOpen or SqliteCodes.Protocol or SqliteCodes.Schema or SqliteCodes.Misuse or SqliteCodes.NoLargeFiles
            or SqliteCodes.Denied or SqliteCodes.NotADatabase,
        IOException or UnauthorizedAccessException => true,
        _ => false,
    };
}
