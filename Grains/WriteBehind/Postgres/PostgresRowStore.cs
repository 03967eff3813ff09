using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Rows in PostgreSQL: a batch is one statement, whatever its size, and one round trip unless the fence refused a row.
/// </summary>
public sealed class PostgresRowStore : IRowStore, IAsyncDisposable
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly bool _ownsDataSource;
    private readonly PostgresFailures _failures;
    private readonly ILogger _logger;
    private readonly PostgresParkedRows _parked;
    private readonly PostgresStatements _statements;
    private readonly int _commandSeconds;

    // Lists that went out and came back: a batch of thousands of rows otherwise leaves four large arrays behind each time.
    private readonly ConcurrentBag<RowColumns> _columns = [];

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

        _statements = new PostgresStatements(table);
        _parked = new PostgresParkedRows(dataSource, _failures, _statements, _commandSeconds);
    }

    /// <inheritdoc/>
    public IParkedRows Parked => _parked;

    /// <inheritdoc/>
    public string Description => _failures.Description;

    /// <inheritdoc/>
    public Task MigrateAsync(CancellationToken cancellationToken) =>
        _failures.GuardAsync(
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
            : _failures.GuardAsync(token => TryReadAsync(keys, token), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RefusedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<RefusedRow>>([])
            : _failures.GuardAsync(token => TryUpsertAsync(rows, token), cancellationToken, refusals: true);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _ownsDataSource ? _dataSource.DisposeAsync() : ValueTask.CompletedTask;

    private static string WithDefaults(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (!settings.ShouldSerialize("Timeout"))
            settings.Timeout = 5;
        if (!settings.ShouldSerialize("Command Timeout"))
            settings.CommandTimeout = 10;

        // A handful of statements; prepared, a batch of thousands costs no parsing and no planning.
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

        // Of a key that has both, the later one; the table's where they are of one version.
        return parked == 0 ? rows : [.. rows.GroupBy(row => row.Key, (_, both) => both.OrderByDescending(row => row.Version).ThenBy(row => row.IsParked).First())];
    }

    private async Task<IReadOnlyList<RefusedRow>> TryUpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);

        var columns = _columns.TryTake(out var used) ? used : new RowColumns();
        columns.Fill(rows);
        int written;
        await using (var command = new NpgsqlCommand(_statements.Upsert, connection) { CommandTimeout = _commandSeconds })
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
        var latest = await StoredVersion.LatestAsync(connection, _statements, [.. rows.Select(row => row.Key)], _commandSeconds, cancellationToken);
        return [.. rows
            .Where(row => latest.TryGetValue(row.Key, out var stored) && !stored.IsOf(row))
            .Select(row => latest[row.Key].Refusing(row))];
    }
}
