using Actors.Core;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Distinguishes a table that refuses every row from one that refuses some. It writes other rows the way a batch is written,
/// and rolls back: rows that the table holds, some of those that were refused together, and an empty one.
/// </summary>
internal sealed class PostgresProbe(NpgsqlDataSource dataSource, PostgresStatements statements, int commandSeconds)
{
    // Several, because the table may now refuse some of its own rows because of their content.
    private const int Tries = 5;

    /// <summary>True if the table accepts one of the probed rows, false if none; null if none and it holds no other row to probe with.</summary>
    /// <param name="refused">The keys of the rows that were refused.</param>
    /// <param name="together">The rows, if they are known to have been refused together.</param>
    /// <param name="cancellationToken">Cancels the probe.</param>
    public async Task<bool?> TakesOthersAsync(IReadOnlyList<string> refused, IReadOnlyList<Row> together, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

            // Never committed, so triggers that notify others of a change have no effect.
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            var rows = await ReadAsync(connection, refused, cancellationToken);
            IEnumerable<Row> tried = [.. rows, .. SomeOf(together), new Row($"probe-{Guid.NewGuid():n}", 1, 0, "{}"u8.ToArray())];
            foreach (var row in tried)
            {
                await transaction.SaveAsync("probe", cancellationToken);
                if (await IsTakenAsync(connection, row, cancellationToken)) return true;
                await transaction.RollbackAsync("probe", cancellationToken);
            }

            return rows.Count == 0 ? null : false;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The probe itself failed, so the table accepts nothing.
            return false;
        }
    }

    // Skips locked rows, so the probe never waits.
    private async Task<List<Row>> ReadAsync(NpgsqlConnection connection, IReadOnlyList<string> refused, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(statements.Some, connection) { CommandTimeout = commandSeconds };
        command.AddKeys([.. refused.Where(IsText)]);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = Tries });
        var rows = new List<Row>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(new Row(reader.GetString(0), reader.GetInt64(1) + 1, reader.GetInt64(2), reader.GetFieldValue<byte[]>(3)));
        return rows;
    }

    // Evenly spread. A single row would only be refused again.
    private static IEnumerable<Row> SomeOf(IReadOnlyList<Row> rows) =>
        rows.Count < 2 ? [] : rows.Where((row, i) => i % ((rows.Count + Tries - 1) / Tries) == 0 && IsText(row.Key));

    // No table can hold other keys.
    private static bool IsText(string key) => WellFormedText.Problem(key, 0, int.MaxValue) is null;

    private async Task<bool> IsTakenAsync(NpgsqlConnection connection, Row row, CancellationToken cancellationToken)
    {
        try
        {
            var columns = new RowColumns();
            columns.Fill([row]);
            await using var command = new NpgsqlCommand(statements.Upsert, connection) { CommandTimeout = commandSeconds };
            columns.AddTo(command.Parameters);
            return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
        }
        catch (PostgresException)
        {
            return false;
        }
    }
}
