using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;

namespace Actors.Cli.Verify;

/// <summary>The users of a database at one moment, read row by row with one row in memory.</summary>
internal sealed class UserSnapshot(DbConnection connection, DbTransaction transaction, string query) : IAsyncDisposable
{
    /// <summary>All rows, in no order. Only one enumeration at a time.</summary>
    public async IAsyncEnumerable<UserRow> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = query;
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var state = reader.GetValue(2) is byte[] bytes ? bytes : Encoding.UTF8.GetBytes(reader.GetString(2));
            yield return new(reader.GetString(0), reader.GetInt64(1), state);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }
}
