using Actors.Core;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Tells a table that refuses every row from one that refuses some: writes others, just as a batch is written, and takes that
/// back. Some rows that the table took before, some of those that were refused together, and an empty one.
/// </summary>
internal sealed class PostgresProbe(NpgsqlDataSource dataSource, PostgresStatements statements, int commandSeconds)
{
    // Several, since some of them may be refused by now for what they hold.
    private const int Tries = 5;

    /// <summary>True if the table takes one of those rows, false if none; null if none and it holds no other row to try.</summary>
    /// <param name="refused">The keys of the rows that were refused.</param>
    /// <param name="together">The rows, where it is known that they were refused together.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<bool?> TakesOthersAsync(IReadOnlyList<string> refused, IReadOnlyList<Row> together, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

            // Never committed: a trigger that tells others of a change tells nobody of these.
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
            // It cannot even be asked.
            return false;
        }
    }

    // Locked rows are passed over, so that this waits for nobody.
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

    // Evenly spread. One that was refused alone is refused again.
    private static IEnumerable<Row> SomeOf(IReadOnlyList<Row> rows) =>
        rows.Count < 2 ? [] : rows.Where((row, i) => i % ((rows.Count + Tries - 1) / Tries) == 0 && IsText(row.Key));

    // Others no table holds.
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
