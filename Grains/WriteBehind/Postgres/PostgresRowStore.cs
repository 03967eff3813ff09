using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;

namespace Actors.WriteBehind;

/// <summary>
/// Rows in PostgreSQL: a batch is one statement, whatever its size, and one round trip unless the fence refused a row.
/// </summary>
public sealed class PostgresRowStore : IRowStore, IAsyncDisposable
{
    private const int Attempts = 3;

    private readonly NpgsqlDataSource _dataSource;
    private readonly bool _ownsDataSource;
    private readonly PostgresFailures _failures;
    private readonly ILogger _logger;
    private readonly string _upsert;
    private readonly string _versions;
    private readonly string _read;
    private readonly int _commandSeconds;

    // Lists that went out and came back: a batch of thousands of rows otherwise leaves four large arrays behind each time.
    private readonly ConcurrentBag<Columns> _columns = [];

    /// <summary>Rows in a table of the database that <paramref name="connectionString"/> names.</summary>
    /// <param name="connectionString">
    /// What it says of time-outs and prepared statements holds; where it is silent: 5 s to connect, 10 s for a command,
    /// 20 connections,
    /// statements prepared by themselves (add "Max Auto Prepare=0" where a pooler between forbids it).
    /// </param>
    /// <param name="table">The table, a name of ours and never user input.</param>
    /// <param name="logger">Where migrations are logged.</param>
    public PostgresRowStore(string connectionString, string table = "users", ILogger? logger = null)
        : this(NpgsqlDataSource.Create(WithDefaults(connectionString)), table, logger)
    {
        _ownsDataSource = true;
    }

    /// <summary>Rows in a table of the database of <paramref name="dataSource"/>, which stays the caller's.</summary>
    public PostgresRowStore(NpgsqlDataSource dataSource, string table = "users", ILogger? logger = null)
    {
        _dataSource = dataSource;
        _logger = logger ?? NullLogger.Instance;

        var settings = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);
        _commandSeconds = settings.CommandTimeout;
        _failures = new PostgresFailures(settings);

        var name = $"\"{table.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        _upsert = $"""
            INSERT INTO {name} AS stored (id, version, epoch, state)
            SELECT * FROM unnest($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
            WHERE stored.version < excluded.version
            """;
        _versions = $"SELECT id, version, epoch FROM {name} WHERE id = ANY ($1)";
        _read = $"SELECT id, version, epoch, state FROM {name} WHERE id = ANY ($1)";
    }

    /// <inheritdoc/>
    public string Description => _failures.Description;

    /// <inheritdoc/>
    public Task MigrateAsync(CancellationToken cancellationToken) =>
        GuardAsync(
            async token =>
            {
                await PostgresMigration.RunAsync(_dataSource, Description, _logger, token);
                return 0;
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        keys.Count == 0
            ? Task.FromResult<IReadOnlyList<Row>>([])
            : GuardAsync(token => TryReadAsync(keys, token), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RefusedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<RefusedRow>>([])
            : GuardAsync(token => TryUpsertAsync(rows, token), cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _ownsDataSource ? _dataSource.DisposeAsync() : ValueTask.CompletedTask;

    private static string WithDefaults(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (!settings.ShouldSerialize("Timeout"))
            settings.Timeout = 5;
        if (!settings.ShouldSerialize("Command Timeout"))
            settings.CommandTimeout = 10;

        // Three statements; prepared, a batch of thousands costs no parsing and no planning.
        if (!settings.ShouldSerialize("Max Auto Prepare"))
        {
            settings.MaxAutoPrepare = 10;
            settings.AutoPrepareMinUsages = 2;
        }

        // Many activations may read at once; they take turns, so that a few silos do not use up the server's connections.
        if (!settings.ShouldSerialize("Maximum Pool Size"))
            settings.MaxPoolSize = 20;
        if (!settings.ShouldSerialize("Application Name"))
            settings.ApplicationName = "actors";
        return settings.ConnectionString;
    }

    private async Task<IReadOnlyList<Row>> TryReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        await using var command = _dataSource.CreateCommand(_read);
        command.CommandTimeout = _commandSeconds;
        command.Parameters.Add(new NpgsqlParameter<string[]>
        {
            TypedValue = [.. keys],
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        });
        var rows = new List<Row>(keys.Count);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(new Row(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<byte[]>(3)));
        return rows;
    }

    private async Task<IReadOnlyList<RefusedRow>> TryUpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);

        var columns = _columns.TryTake(out var used) ? used : new Columns();
        columns.Fill(rows);
        int written;
        await using (var command = new NpgsqlCommand(_upsert, connection) { CommandTimeout = _commandSeconds })
        {
            columns.AddTo(command);
            written = await command.ExecuteNonQueryAsync(cancellationToken);
        }

        // Not after an error: a command that was cancelled may still be reading them.
        columns.Clear();
        _columns.Add(columns);
        return written == rows.Count ? [] : await FindRefusedAsync(connection, rows, cancellationToken);
    }

    // A row that was written, or was there already word for word (a repeated call), now stands as it was given. Any
    // other lost: to the row there before, or to a later version that came in between, which is the same to the caller.
    private async Task<IReadOnlyList<RefusedRow>> FindRefusedAsync(
        NpgsqlConnection connection, IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var given = new Dictionary<string, Row>(rows.Count, StringComparer.Ordinal);
        foreach (var row in rows)
            given[row.Key] = row;

        await using var command = new NpgsqlCommand(_versions, connection) { CommandTimeout = _commandSeconds };
        command.Parameters.Add(new NpgsqlParameter<string[]>
        {
            TypedValue = [.. given.Keys],
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        });

        var refused = new List<RefusedRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var stored = new RefusedRow(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2));
            if (given.TryGetValue(stored.Key, out var row) && (stored.StoredVersion, stored.StoredEpoch) != (row.Version, row.Epoch))
                refused.Add(stored);
        }

        return refused;
    }

    private async Task<T> GuardAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await work(cancellationToken);
            }
            catch (PostgresException e) when (attempt < Attempts && PostgresFailures.IsConflict(e))
            {
                // Someone else's statement crossed ours, and the database gave way to theirs; ours did nothing.
            }
            catch (Exception e) when (PostgresFailures.IsUnavailability(e, cancellationToken))
            {
                throw _failures.Unavailable(e);
            }
        }
    }

    /// <summary>A batch turned by 90 degrees: one list per column, kept from batch to batch.</summary>
    private sealed class Columns
    {
        // Beyond this the lists of an unusually large batch go to the garbage collector.
        private const int Kept = 16_384;

        private readonly List<string> _ids = [];
        private readonly List<long> _versions = [];
        private readonly List<long> _epochs = [];
        private readonly List<ReadOnlyMemory<byte>> _states = [];

        public void Fill(IReadOnlyList<Row> rows)
        {
            // Also what an earlier batch left that failed while being filled.
            Clear();
            for (var i = 0; i < rows.Count; i++)
            {
                var row = rows[i];
                _ids.Add(row.Key);
                _versions.Add(row.Version);
                _epochs.Add(row.Epoch);
                _states.Add(row.State);
            }
        }

        public void AddTo(NpgsqlCommand command)
        {
            Add(_ids, NpgsqlDbType.Text);
            Add(_versions, NpgsqlDbType.Bigint);
            Add(_epochs, NpgsqlDbType.Bigint);

            // The states are UTF-8 JSON already and go out as they are.
            Add(_states, NpgsqlDbType.Jsonb);

            void Add<T>(List<T> values, NpgsqlDbType type) =>
                command.Parameters.Add(new NpgsqlParameter<List<T>> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });
        }

        public void Clear()
        {
            _ids.Clear();
            _versions.Clear();
            _epochs.Clear();
            _states.Clear();
            if (_ids.Capacity <= Kept)
                return;
            _ids.Capacity = _versions.Capacity = _epochs.Capacity = _states.Capacity = 0;
        }
    }
}
