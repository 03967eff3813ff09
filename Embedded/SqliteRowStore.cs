using System.Data;
using System.Runtime.InteropServices;
using Actors.WriteBehind;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Embedded;

/// <summary>
/// Rows in a SQLite file, which several processes of this machine may share. A batch is one transaction, on disk (fsync)
/// when the call returns.
/// </summary>
public sealed class SqliteRowStore : IRowStore, IAsyncDisposable
{
    // The journal mode stays with the file, the other two hold for the connection that writes.
    private const string Pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;";

    private const string UpsertSql = """
        INSERT INTO users (id, version, epoch, state) VALUES ($id, $version, $epoch, CAST($state AS TEXT))
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
        WHERE users.version < excluded.version
        """;

    private const string VersionSql = "SELECT version, epoch FROM users WHERE id = $id";
    private const string ReadSql = "SELECT version, epoch, CAST(state AS BLOB) FROM users WHERE id = $id";

    private readonly string _path;
    private readonly string _connectionString;
    private readonly ILogger _logger;

    // SQLite lets one connection write at a time; those who wait here wait without a thread.
    private readonly SemaphoreSlim _writing = new(1);
    private Writer? _writer;

    /// <summary>Rows in the file <paramref name="path"/>, which is made where it does not exist.</summary>
    public SqliteRowStore(string path, ILogger? logger = null)
    {
        _path = Path.GetFullPath(path);
        _logger = logger ?? NullLogger.Instance;
        _connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = _path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = 10,
        }.ConnectionString;
    }

    /// <inheritdoc/>
    public string Description => $"SQLite in {_path}";

    /// <inheritdoc/>
    public Task MigrateAsync(CancellationToken cancellationToken) =>
        GuardAsync(
            async () =>
            {
                Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
                await SqliteMigration.RunAsync(_path, _connectionString, Pragmas, Description, _logger, cancellationToken);
                return 0;
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        GuardAsync(() => Task.FromResult(Read(keys)), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RefusedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<RefusedRow>>([])
            : GuardAsync(() => UpsertLockedAsync(rows, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _writing.WaitAsync();
        try
        {
            DropWriter();

            // Closes the pooled connections, and with the last one SQLite folds the log into the file.
            using var connection = new SqliteConnection(_connectionString);
            SqliteConnection.ClearPool(connection);
        }
        finally
        {
            _writing.Release();
        }
    }

    private IReadOnlyList<Row> Read(IReadOnlyList<string> keys)
    {
        using var connection = new SqliteConnection(_connectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = ReadSql;
        var id = command.Parameters.Add("$id", SqliteType.Text);
        var rows = new List<Row>(keys.Count);
        foreach (var key in keys)
        {
            id.Value = key;
            using var reader = command.ExecuteReader(CommandBehavior.SingleRow);
            if (reader.Read())
                rows.Add(new Row(key, reader.GetInt64(0), reader.GetInt64(1), reader.GetFieldValue<byte[]>(2)));
        }

        return rows;
    }

    private async Task<IReadOnlyList<RefusedRow>> UpsertLockedAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            _writer ??= new Writer(ConnectToWrite());
            return _writer.Upsert(rows, cancellationToken);
        }
        catch
        {
            // Rolls back, and whatever state the connection is in, the next batch starts with a new one.
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

    // On the thread pool: SQLite's calls are synchronous and wait for the disk, and a grain's scheduler, or the caller's
    // turn, must not wait with them.
    private async Task<T> GuardAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        catch (Exception e) when (IsUnavailability(e))
        {
            throw new StorageUnavailableException("the database", $"{Description} cannot be used: {e.Message}");
        }
    }

    // What is left are errors of a row: a constraint, too big, no JSON.
    private static bool IsUnavailability(Exception e) => e switch
    {
        SqliteException { SqliteErrorCode: var code } => code is
            SqliteCodes.Perm or SqliteCodes.Busy or SqliteCodes.Locked or SqliteCodes.NoMemory or SqliteCodes.ReadOnly
            or SqliteCodes.Interrupt or SqliteCodes.InputOutput or SqliteCodes.Corrupt or SqliteCodes.Full
            or SqliteCodes.CannotOpen or SqliteCodes.Protocol or SqliteCodes.NotADatabase,
        IOException or UnauthorizedAccessException => true,
        _ => false,
    };

    /// <summary>The one connection that writes, with its statements prepared.</summary>
    private sealed class Writer : IDisposable
    {
        private readonly SqliteConnection _connection;
        private readonly SqliteCommand _upsert;
        private readonly SqliteCommand _version;
        private readonly SqliteParameter _id = new("$id", SqliteType.Text);
        private readonly SqliteParameter _rowVersion = new("$version", SqliteType.Integer);
        private readonly SqliteParameter _epoch = new("$epoch", SqliteType.Integer);
        private readonly SqliteParameter _state = new("$state", SqliteType.Blob);
        private readonly SqliteParameter _refusedId = new("$id", SqliteType.Text);

        public Writer(SqliteConnection connection)
        {
            _connection = connection;
            _upsert = Prepare(UpsertSql, _id, _rowVersion, _epoch, _state);
            _version = Prepare(VersionSql, _refusedId);
        }

        public List<RefusedRow> Upsert(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
        {
            var refused = new List<RefusedRow>();

            // Immediate: a transaction that takes the lock only with its first write may find itself unable to.
            using var transaction = _connection.BeginTransaction(deferred: false);
            _upsert.Transaction = _version.Transaction = transaction;
            for (var i = 0; i < rows.Count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var row = rows[i];
                _id.Value = row.Key;
                _rowVersion.Value = row.Version;
                _epoch.Value = row.Epoch;
                _state.Value = AsArray(row.State);
                if (_upsert.ExecuteNonQuery() == 0 && FindRefused(row) is { } found)
                    refused.Add(found);
            }

            transaction.Commit();
            _state.Value = null;
            return refused;
        }

        public void Dispose()
        {
            _upsert.Dispose();
            _version.Dispose();
            _connection.Dispose();
        }

        // The very row that was given is one that an earlier, repeated call wrote.
        private RefusedRow? FindRefused(Row row)
        {
            _refusedId.Value = row.Key;
            using var reader = _version.ExecuteReader();
            if (!reader.Read())
                return null;
            var stored = new RefusedRow(row.Key, reader.GetInt64(0), reader.GetInt64(1));
            return (stored.StoredVersion, stored.StoredEpoch) == (row.Version, row.Epoch) ? null : stored;
        }

        private SqliteCommand Prepare(string sql, params SqliteParameter[] parameters)
        {
            var command = _connection.CreateCommand();
            command.CommandText = sql;
            command.Parameters.AddRange(parameters);
            command.Prepare();
            return command;
        }

        private static byte[] AsArray(ReadOnlyMemory<byte> state) =>
            MemoryMarshal.TryGetArray(state, out var segment) && segment is { Offset: 0, Array: { } array } && segment.Count == array.Length
                ? array
                : state.ToArray();
    }
}
