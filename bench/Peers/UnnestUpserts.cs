using System.Diagnostics;
using Actors.Bench.Writes;
using Actors.Core;
using Actors.WriteBehind;
using Npgsql;
using NpgsqlTypes;

namespace Actors.Bench.Peers;

/// <summary>
/// write.flush, the peer: the same rows in the same order, divided among as many lanes. Each lane sends batches of the same
/// size, sorted by key, in hand-written Npgsql code that does nothing else.
/// </summary>
internal sealed class UnnestUpserts(BenchServers servers) : Contender
{
    private const string Sql = """
        INSERT INTO users (id, version, epoch, state) SELECT * FROM unnest($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
        WHERE users.version < excluded.version
        """;

    private readonly WriteBehindOptions _options = new();
    private string _database = "";
    private NpgsqlDataSource? _source;
    private Row[][] _lanes = [];

    public override async Task PrepareAsync(Load load)
    {
        _lanes = [.. FlushRows.Make(load.Rows)
            .GroupBy(row => (Partition.Hash(row.Key) >> 32) % (ulong)_options.Lanes)
            .Select(lane => lane.ToArray())];
        _database = await servers.CreateDatabaseAsync();
        _source = NpgsqlDataSource.Create(_database);
    }

    public override Task BeforeTurnAsync() => BenchServers.TruncateUsersAsync(_database);

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(_lanes.Select(lane => Task.Run(() => WriteAsync(lane, cancellationToken), cancellationToken)));
        return new Turn(_lanes.Sum(lane => lane.Length), watch.Elapsed);
    }

    public override ValueTask DisposeAsync() => _source?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task WriteAsync(Row[] lane, CancellationToken cancellationToken)
    {
        await using var connection = await _source!.OpenConnectionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Sql, connection);
        var ids = Add<string>(NpgsqlDbType.Text);
        var versions = Add<long>(NpgsqlDbType.Bigint);
        var epochs = Add<long>(NpgsqlDbType.Bigint);
        var states = Add<ReadOnlyMemory<byte>>(NpgsqlDbType.Jsonb);
        await command.PrepareAsync(cancellationToken);
        foreach (var batch in lane.Chunk(_options.BatchSize))
        {
            Array.Sort(batch, static (one, other) => string.CompareOrdinal(one.Key, other.Key));
            ids.TypedValue = Array.ConvertAll(batch, row => row.Key);
            versions.TypedValue = Array.ConvertAll(batch, row => row.Version);
            epochs.TypedValue = Array.ConvertAll(batch, row => row.Epoch);
            states.TypedValue = Array.ConvertAll(batch, row => row.State);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }

        NpgsqlParameter<T[]> Add<T>(NpgsqlDbType type)
        {
            var parameter = new NpgsqlParameter<T[]> { NpgsqlDbType = NpgsqlDbType.Array | type };
            command.Parameters.Add(parameter);
            return parameter;
        }
    }
}
