using System.Globalization;
using System.Text;
using Actors.Core;
using Actors.WriteBehind;
using Microsoft.Data.Sqlite;

namespace Actors.Embedded;

/// <summary>The table <c>parked</c> in SQLite. Only one connection writes at a time, so no call sees concurrent changes.</summary>
internal sealed class SqliteParkedRows(SqliteRowStore store) : IParkedRows
{
    private const string ParkSql = """
        INSERT INTO parked (id, version, epoch, state, reason, parked_at)
        SELECT $id, $version, $epoch, $state, $reason, strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00'
        WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = $id AND version >= $version)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state,
            reason = excluded.reason, parked_at = excluded.parked_at
        WHERE parked.version < excluded.version
        """;

    private const string ReasonSql = """
        SELECT reason FROM parked WHERE id = $id AND version >= $version
        AND NOT EXISTS (SELECT 1 FROM users WHERE id = $id AND version >= $version)
        """;

    private const string DeleteObsoleteSql = """
        DELETE FROM parked WHERE EXISTS (SELECT 1 FROM users WHERE users.id = parked.id AND users.version >= parked.version)
        """;

    private const string CountSql = "SELECT count(*) FROM parked";

    private const string ListSql = """
        SELECT id, version, reason, parked_at, state FROM parked WHERE ($after IS NULL OR id > $after) ORDER BY id LIMIT $max
        """;

    private const string TakeSql = "DELETE FROM parked WHERE id = $id RETURNING version, epoch, state";

    public Task<IReadOnlyList<FencedRow>> ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken) =>
        store.WriteAsync(writer => Park(writer, rows), cancellationToken, [.. rows.Select(row => row.Row.Key)]);

    public Task<string?> FindReasonAsync(string key, long version, CancellationToken cancellationToken) => store.ReadAsync(
        connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = ReasonSql;
            command.Parameters.AddWithValue("$id", key);
            command.Parameters.AddWithValue("$version", version);
            return (string?)command.ExecuteScalar();
        },
        cancellationToken);

    public Task<long> CountAsync(CancellationToken cancellationToken) => store.WriteAsync(
        writer =>
        {
            using var transaction = writer.Begin();
            using var obsolete = writer.Command(DeleteObsoleteSql);
            obsolete.ExecuteNonQuery();
            using var count = writer.Command(CountSql);
            var rows = (long)count.ExecuteScalar()!;
            writer.Commit(transaction);
            return rows;
        },
        cancellationToken);

    public Task<IReadOnlyList<ParkedRow>> ListAsync(string? after, int max, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => List(connection, after, max), cancellationToken);

    public Task<IReadOnlyList<ReplayedRow>> ReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        store.WriteAsync(writer => Replay(writer, keys), cancellationToken, keys);

    private static IReadOnlyList<FencedRow> Park(SqliteWriter writer, IReadOnlyList<RowToPark> rows)
    {
        var refused = new List<FencedRow>();
        using var transaction = writer.Begin();
        foreach (var (row, reason) in rows)
        {
            using var command = writer.Command(
                ParkSql, new("$id", row.Key), new("$version", row.Version), new("$epoch", row.Epoch), new("$state", SqliteWriter.AsArray(row.State)),
                new("$reason", reason));
            if (command.ExecuteNonQuery() > 0 || writer.Find(row.Key) is not { } stored) continue;
            if (!stored.IsParked || !SqliteWriter.IsOf(row, stored.Version, stored.Epoch))
                refused.Add(new(row.Key, stored.Version, stored.Epoch));
        }

        writer.Commit(transaction);
        return refused;
    }

    private static IReadOnlyList<ParkedRow> List(SqliteConnection connection, string? after, int max)
    {
        using var command = connection.CreateCommand();
        command.CommandText = ListSql;
        command.Parameters.AddWithValue("$after", (object?)after ?? DBNull.Value);
        command.Parameters.AddWithValue("$max", max);
        var rows = new List<ParkedRow>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            var state = reader.GetFieldValue<byte[]>(4);
            rows.Add(new()
            {
                Key = reader.GetString(0),
                Version = reader.GetInt64(1),
                Reason = reader.GetString(2),
                ParkedAt = DateTimeOffset.Parse(reader.GetString(3), CultureInfo.InvariantCulture),
                Bytes = state.Length,
                State = Encoding.UTF8.GetString(state),
            });
        }

        return rows;
    }

    private static IReadOnlyList<ReplayedRow> Replay(SqliteWriter writer, IReadOnlyList<string> keys)
    {
        var replayed = new List<ReplayedRow>();
        using var transaction = writer.Begin();
        foreach (var key in keys)
        {
            if (Take(writer, key) is { } row) replayed.Add(new(key, row.Version, writer.Write(row)));
        }

        writer.Commit(transaction);
        return replayed;
    }

    private static Row? Take(SqliteWriter writer, string key)
    {
        using var command = writer.Command(TakeSql, new SqliteParameter("$id", key));
        using var reader = command.ExecuteReader();
        return reader.Read() ? new Row(key, reader.GetInt64(0), reader.GetInt64(1), reader.GetFieldValue<byte[]>(2)) : null;
    }
}
