using System.Collections.Concurrent;
using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Rows in PostgreSQL: a batch of any size is one statement, and one round trip unless the fence refused a row.
/// </summary>
public sealed class PostgresRowStore : IRowStore, IAsyncDisposable
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly PostgresConnections? _own;
    private readonly string? _serviceId;
    private readonly PostgresFailures _failures;
    private readonly PostgresProbe _probe;
    private readonly ILogger _logger;
    private readonly PostgresParkedRows _parked;
    private readonly PostgresStatements _statements;
    private readonly int _commandSeconds;

    // Created on demand; any thread creates the same value.
    private string? _lockPatience;

    // A pool: otherwise each batch of thousands of rows would leave four large arrays to the garbage collector.
    private readonly ConcurrentBag<RowColumns> _columns = [];

    /// <summary>Creates a store for a table of the database that <paramref name="connectionString"/> names.</summary>
    /// <param name="connectionString">
    /// The connection string. Defaults if it does not say otherwise: 5 s to connect, 10 s for a command, 20 connections, automatically
    /// prepared statements (add "Max Auto Prepare=0" if a pooler forbids them), and of several hosts the one that accepts writes.
    /// </param>
    /// <param name="table">The name of the table, never user input.</param>
    /// <param name="logger">Logs migrations.</param>
    /// <param name="serviceId">The service that owns the tables; recorded beside them, and tables of another service are rejected. Null: any.</param>
    public PostgresRowStore(string connectionString, string table = "users", ILogger? logger = null, string? serviceId = null)
        : this(new PostgresConnections(connectionString), table, logger, serviceId)
    {
    }

    /// <summary>Creates a store for a table of the database of <paramref name="dataSource"/>, which the caller disposes.</summary>
    public PostgresRowStore(NpgsqlDataSource dataSource, string table = "users", ILogger? logger = null)
        : this(dataSource, () => PostgresConnections.Reconnect(dataSource), table, logger)
    {
    }

    private PostgresRowStore(PostgresConnections own, string table, ILogger? logger, string? serviceId)
        : this(own.Source, own.Reconnect, table, logger)
    {
        _own = own;
        _serviceId = serviceId;
    }

    private PostgresRowStore(NpgsqlDataSource dataSource, Action reconnect, string table, ILogger? logger)
    {
        _dataSource = dataSource;
        _logger = logger ?? NullLogger.Instance;

        var settings = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);
        _commandSeconds = settings.CommandTimeout;
        _failures = new PostgresFailures(settings, reconnect);

        _statements = new PostgresStatements(table);
        _probe = new PostgresProbe(dataSource, _statements, _commandSeconds);
        _parked = new PostgresParkedRows(dataSource, _failures, _statements, _probe, _commandSeconds);
    }

    /// <summary>
    /// The setting that makes a connection string unusable, phrased to follow its name, with what is allowed and without secrets;
    /// null if there is none.
    /// </summary>
    /// <exception cref="ArgumentException">The text is not a connection string. The message may quote a part of a password.</exception>
    public static string? FindFault(string connectionString) => PostgresConnections.FindFault(new NpgsqlConnectionStringBuilder(connectionString));

    /// <inheritdoc/>
    public IParkedRows Parked => _parked;

    /// <inheritdoc/>
    public string Description => _failures.Description;

    /// <summary>The maximum time a migration waits for another silo's. Default: 5 minutes.</summary>
    internal TimeSpan MigrationPatience { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// The maximum time a batch waits for a lock of another session before its locked rows are identified; at most half the command
    /// timeout. Default: 1 s.
    /// </summary>
    internal TimeSpan LockPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public Task MigrateAsync(CancellationToken cancellationToken) => _failures.GuardAsync(
        async token =>
        {
            await TryMigrateAsync(token);
            return 0;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        keys.Count == 0
            ? Task.FromResult<IReadOnlyList<Row>>([])
            : _failures.GuardAsync(token => TryReadAsync(keys, token), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<FencedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<FencedRow>>([])
            : _failures.GuardAsync(
                token => TryUpsertAsync(rows, token), cancellationToken,
                token => _probe.TakesOthersAsync([.. rows.Select(row => row.Key)], rows, token));

    /// <inheritdoc/>
    public Task CheckAsync(CancellationToken cancellationToken) => _failures.GuardAsync(
        async token =>
        {
            await using var command = _dataSource.CreateCommand(_statements.Check);
            command.CommandTimeout = _commandSeconds;
            if (await command.ExecuteScalarAsync(token) is true) throw PostgresFailures.ReadOnly();
            return 0;
        },
        cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _own?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task TryMigrateAsync(CancellationToken cancellationToken)
    {
        try
        {
            await PostgresMigration.RunAsync(_dataSource, _statements.Table, _serviceId, Description, _logger, MigrationPatience, cancellationToken);
        }
        catch (MigrationFailedException failed) when (failed.InnerException is { } cause)
        {
            // The caller retries conflicts.
            if (cause is PostgresException conflict && PostgresFailures.IsConflict(conflict)) throw conflict;
            throw _failures.NotMigrated(failed.Script, cause);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested
            && error is not (StorageUnavailableException or UnsuitableDatabaseException)
            && !(error is PostgresException conflict && PostgresFailures.IsConflict(conflict)))
        {
            throw _failures.NotMigrated(script: null, error);
        }
    }

    private async Task<IReadOnlyList<Row>> TryReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        await using var command = _dataSource.CreateCommand(_statements.Read);
        command.CommandTimeout = _commandSeconds;
        command.AddKeys(keys);
        var rows = new List<Row>(keys.Count);
        var parked = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var isParked = reader.IsDBNull(3);
            if (isParked) parked++;
            rows.Add(new Row(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<byte[]>(isParked ? 4 : 3))
            {
                IsParked = isParked,
            });
        }

        // If a key has both, the later one counts; the table's if the versions are equal.
        return parked == 0 ? rows : [.. rows.GroupBy(row => row.Key, (_, both) => both.OrderByDescending(row => row.Version).ThenBy(row => row.IsParked).First())];
    }

    // An open session may hold a row locked for hours. The other rows need not wait for it.
    private async Task<IReadOnlyList<FencedRow>> TryUpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        try
        {
            return await UpsertAtOnceAsync(rows, isPatient: false, cancellationToken);
        }
        catch (Exception error) when (PostgresFaults.IsTimeout(error) && !cancellationToken.IsCancellationRequested)
        {
            var locked = await FindLockedAsync(rows, cancellationToken);
            if (locked is { Count: > 0 })
                throw new RowsRefusedException("another session holds the row locked", error) { IsCertain = false, Keys = locked };
            if (locked is null || error is not PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable }) throw;
        }

        // The lock is released by now, or is on the table: a schema change, which passes.
        return await UpsertAtOnceAsync(rows, isPatient: true, cancellationToken);
    }

    // Null if the database does not answer.
    private async Task<HashSet<string>?> FindLockedAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var locked = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            await using var command = _dataSource.CreateCommand(_statements.Locked);
            command.CommandTimeout = _commandSeconds;
            command.AddKeys([.. rows.Select(row => row.Key)]);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) locked.Add(reader.GetString(0));
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The problem is not limited to a few rows.
            return null;
        }

        return locked;
    }

    private async Task<IReadOnlyList<FencedRow>> UpsertAtOnceAsync(IReadOnlyList<Row> rows, bool isPatient, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);

        var columns = _columns.TryTake(out var used) ? used : new RowColumns();
        columns.Fill(rows);
        int written;
        await using (var batch = new NpgsqlBatch(connection) { Timeout = _commandSeconds })
        {
            // Both are sent together and are one transaction, so the setting ends with it.
            if (!isPatient) batch.BatchCommands.Add(new NpgsqlBatchCommand(_lockPatience ??= PostgresStatements.LockPatience(LockPatience, _commandSeconds)));
            var command = new NpgsqlBatchCommand(_statements.Upsert);
            columns.AddTo(command.Parameters);
            batch.BatchCommands.Add(command);
            await batch.ExecuteNonQueryAsync(cancellationToken);
            written = command.RecordsAffected;
        }

        // Not after an error: a cancelled command may still be reading the lists.
        columns.Clear();
        _columns.Add(columns);
        return written == rows.Count ? [] : await FindRefusedAsync(connection, rows, cancellationToken);
    }

    // A row that was written now, or was already stored identically (a retry), matches the stored version. Any other row
    // lost: to the row before it, or to a later version written in between, which is the same to the caller.
    private async Task<IReadOnlyList<FencedRow>> FindRefusedAsync(
        NpgsqlConnection connection, IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var latest = await StoredVersion.LatestAsync(connection, _statements, [.. rows.Select(row => row.Key)], _commandSeconds, cancellationToken);
        return [.. rows
            .Where(row => latest.TryGetValue(row.Key, out var stored) && !stored.IsOf(row))
            .Select(row => latest[row.Key].Refusing(row))];
    }
}
