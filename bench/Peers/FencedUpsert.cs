using Actors.Core;
using Npgsql;
using NpgsqlTypes;

namespace Actors.Bench.Peers;

/// <summary>
/// What one writes without Actors: one statement and one commit per write, prepared, over 64 pooled connections that are
/// all kept busy. More callers than connections would only wait for them, so 64 callers it is.
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
