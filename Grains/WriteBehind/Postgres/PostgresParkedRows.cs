using System.Text;
using Actors.Core;
using Npgsql;
using NpgsqlTypes;

namespace Actors.WriteBehind;

/// <summary>The table <c>parked</c> in PostgreSQL. Its rows are locked in key order, before those of the table.</summary>
internal sealed class PostgresParkedRows(
    NpgsqlDataSource dataSource, PostgresFailures failures, PostgresStatements statements, PostgresProbe probe, int commandSeconds) : IParkedRows
{
    public Task<IReadOnlyList<FencedRow>> ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken) =>
        rows.Count == 0
            ? Task.FromResult<IReadOnlyList<FencedRow>>([])
            : failures.GuardAsync(
                token => TryParkAsync(rows, token), cancellationToken,
                // The cause does not matter here: the caller keeps rows that cannot be parked.
                _ => Task.FromResult<bool?>(true));

    public Task<string?> FindReasonAsync(string key, long version, CancellationToken cancellationToken) => failures.GuardAsync(
        async token =>
        {
            await using var command = Command(statements.Reason);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = version });
            return (string?)await command.ExecuteScalarAsync(token);
        },
        cancellationToken);

    public Task<long> CountAsync(CancellationToken cancellationToken) => failures.GuardAsync(
        async token =>
        {
            await using (var obsolete = Command(statements.DeleteObsolete)) await obsolete.ExecuteNonQueryAsync(token);
            await using var count = Command("SELECT count(*) FROM parked");
            return (long)(await count.ExecuteScalarAsync(token))!;
        },
        cancellationToken);

    public Task<IReadOnlyList<ParkedRow>> ListAsync(string? after, int max, CancellationToken cancellationToken) =>
        failures.GuardAsync(token => TryListAsync(after, max, token), cancellationToken);

    public Task<IReadOnlyList<ReplayedRow>> ReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        failures.GuardAsync(
            token => TryReplayAsync(keys, token), cancellationToken, token => probe.TakesOthersAsync(keys, [], token));

    private async Task<IReadOnlyList<FencedRow>> TryParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var columns = new RowColumns();
        columns.Fill([.. rows.Select(row => row.Row)]);
        await using (var command = new NpgsqlCommand(statements.Park, connection) { CommandTimeout = commandSeconds })
        {
            columns.AddTo(command.Parameters, NpgsqlDbType.Bytea);
            command.AddTexts([.. rows.Select(row => row.Reason)]);
            if (await command.ExecuteNonQueryAsync(cancellationToken) == rows.Count) return [];
        }

        var latest = await StoredVersion.LatestAsync(
            connection, statements, [.. rows.Select(row => row.Row.Key)], commandSeconds, cancellationToken);
        return [.. rows
            .Select(row => row.Row)
            .Where(row => latest.TryGetValue(row.Key, out var stored) && !(stored.IsParked && stored.IsOf(row)))
            .Select(row => latest[row.Key].Refusing(row))];
    }

    private async Task<IReadOnlyList<ParkedRow>> TryListAsync(string? after, int max, CancellationToken cancellationToken)
    {
        await using var command = Command(PostgresStatements.List);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = max });
        var rows = new List<ParkedRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var state = reader.GetFieldValue<byte[]>(4);
            rows.Add(new()
            {
                Key = reader.GetString(0),
                Version = reader.GetInt64(1),
                Reason = reader.GetString(2),
                ParkedAt = reader.GetFieldValue<DateTimeOffset>(3),
                Bytes = state.Length,
                State = Encoding.UTF8.GetString(state),
            });
        }

        return rows;
    }

    private async Task<IReadOnlyList<ReplayedRow>> TryReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var rows = await LockAsync(connection, keys, cancellationToken);
        if (rows.Count == 0) return [];
        var written = await CommitAsync(connection, rows, cancellationToken);
        string[] replayed = [.. rows.Select(row => row.Key)];
        await using (var delete = new NpgsqlCommand(PostgresStatements.Delete, connection) { CommandTimeout = commandSeconds })
        {
            delete.AddKeys(replayed);
            await delete.ExecuteNonQueryAsync(cancellationToken);
        }

        // A separate query instead of RETURNING: Npgsql loses track of returned rows if the statement failed while it was being
        // prepared, as this one does if a row is refused.
        var latest = written == rows.Count
            ? null
            : await StoredVersion.LatestAsync(connection, statements, replayed, commandSeconds, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return [.. rows.Select(row => new ReplayedRow(row.Key, row.Version, latest is null || latest[row.Key].IsOf(row)))];
    }

    private async Task<List<Row>> LockAsync(NpgsqlConnection connection, IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(PostgresStatements.Lock, connection) { CommandTimeout = commandSeconds };
        command.AddKeys(keys);
        var rows = new List<Row>(keys.Count);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(new Row(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<byte[]>(3)));

        // Batches to the table are sorted the same way.
        rows.Sort(static (one, other) => string.CompareOrdinal(one.Key, other.Key));
        return rows;
    }

    private async Task<int> CommitAsync(NpgsqlConnection connection, List<Row> rows, CancellationToken cancellationToken)
    {
        var columns = new RowColumns();
        columns.Fill(rows);
        await using var command = new NpgsqlCommand(statements.Upsert, connection) { CommandTimeout = commandSeconds };
        columns.AddTo(command.Parameters);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private NpgsqlCommand Command(string sql)
    {
        var command = dataSource.CreateCommand(sql);
        command.CommandTimeout = commandSeconds;
        return command;
    }
}
