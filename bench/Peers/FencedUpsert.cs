using Actors.Core;
using Npgsql;
using NpgsqlTypes;

namespace Actors.Bench.Peers;

/// <summary>
/// A typical application without Actors: one prepared statement and one commit per write, over 64 pooled connections that are
/// all busy. There are 64 callers, because more would only wait for a connection.
/// </summary>
internal sealed class FencedUpsert : IAsyncDisposable
{
    public const int Connections = 64;

    private const string Sql = """
        INSERT INTO users (id, version, epoch, state) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
        WHERE users.version < excluded.version
        """;

    private readonly NpgsqlDataSource _source;

    public FencedUpsert(string database) => _source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database)
    {
        MinPoolSize = Connections,
        MaxPoolSize = Connections,
        MaxAutoPrepare = 4,
        AutoPrepareMinUsages = 1,
    });

    public async Task WriteAsync(Row row)
    {
        await using var command = _source.CreateCommand(Sql);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.Key });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = row.Version });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = row.Epoch });
        command.Parameters.Add(new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = row.State, NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync();
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
