using System.Runtime.InteropServices;
using Actors.Core;
using Actors.Embedded.Integrity;
using Actors.WriteBehind;
using Microsoft.Data.Sqlite;

namespace Actors.Embedded;

/// <summary>The writing connection with its prepared statements.</summary>
internal sealed class SqliteWriter : IDisposable
{
    // A parked row fences like a row in the table.
    private const string UpsertSql = """
        INSERT INTO users (id, version, epoch, state) SELECT $id, $version, $epoch, CAST($state AS TEXT)
        WHERE NOT EXISTS (
            SELECT 1 FROM parked WHERE id = $id AND version >= $version AND (version, epoch) <> ($version, $epoch))
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
        WHERE users.version < excluded.version
        """;

    private const string VersionSql = """
        SELECT version, epoch, 0 AS is_parked FROM users WHERE id = $id
        UNION ALL SELECT version, epoch, 1 FROM parked WHERE id = $id ORDER BY version DESC, is_parked LIMIT 1
        """;

    private const string SomeSql = "SELECT id, version, epoch, CAST(state AS BLOB) FROM users WHERE version < 9223372036854775807 LIMIT $max";
    private const string CountSql = "UPDATE store SET commits = commits + 1 RETURNING id, commits";

    private readonly SqliteConnection _connection;
    private readonly CommitRecord _record;
    private readonly SqliteCommand _count;
    private readonly SqliteCommand _upsert;
    private readonly SqliteCommand _version;
    private readonly SqliteParameter _id = new("$id", SqliteType.Text);
    private readonly SqliteParameter _rowVersion = new("$version", SqliteType.Integer);
    private readonly SqliteParameter _epoch = new("$epoch", SqliteType.Integer);
    private readonly SqliteParameter _state = new("$state", SqliteType.Blob);
    private readonly SqliteParameter _storedId = new("$id", SqliteType.Text);

    public SqliteWriter(SqliteConnection connection, CommitRecord record)
    {
        _connection = connection;
        _record = record;
        _count = Prepare(CountSql);
        _upsert = Prepare(UpsertSql, _id, _rowVersion, _epoch, _state);
        _version = Prepare(VersionSql, _storedId);
    }

    public IReadOnlyList<FencedRow> Upsert(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
    {
        var refused = new List<FencedRow>();
        using var transaction = Begin();
        for (var i = 0; i < rows.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var row = rows[i];

            // An identical stored row was written by an earlier attempt of the same call.
            if (!Write(row) && Find(row.Key) is { } stored && !IsOf(row, stored.Version, stored.Epoch))
                refused.Add(new(row.Key, stored.Version, stored.Epoch));
        }

        Commit(transaction);
        _state.Value = null;
        return refused;
    }

    /// <summary>Begins a transaction. It includes everything until it is committed or disposed.</summary>
    public SqliteTransaction Begin()
    {
        // Takes the write lock immediately; a transaction that takes it with its first write may fail to get it.
        var transaction = _connection.BeginTransaction(deferred: false);
        _upsert.Transaction = _version.Transaction = _count.Transaction = transaction;
        return transaction;
    }

    /// <summary>Commits the transaction and records that, so that a database that loses it is detected at the next start.</summary>
    public void Commit(SqliteTransaction transaction)
    {
        var (id, commits) = ("", 0L);
        using (var reader = _count.ExecuteReader())
        {
            if (reader.Read()) (id, commits) = (reader.GetString(0), reader.GetInt64(1));
        }

        transaction.Commit();
        if (id.Length > 0) _record.Write(id, commits);
    }

    /// <summary>Writes one row to the table. Returns false if the fence refuses it.</summary>
    public bool Write(Row row)
    {
        _id.Value = row.Key;
        _rowVersion.Value = row.Version;
        _epoch.Value = row.Epoch;
        _state.Value = AsArray(row.State);
        return _upsert.ExecuteNonQuery() > 0;
    }

    /// <summary>
    /// Whether the table accepts other rows than the refused ones: some that it accepted before, and an empty one. Null if it
    /// accepts none and has no other rows. Nothing is committed.
    /// </summary>
    public bool? TakesOthers(IReadOnlyList<string> refused, int tries)
    {
        using var transaction = Begin();
        var others = Some(refused.Count + tries).Where(row => !refused.Contains(row.Key)).Take(tries).ToList();
        return others.Append(new Row($"probe-{Guid.NewGuid():n}", 1, 0, "{}"u8.ToArray())).Any(IsTaken) ? true
            : others.Count == 0 ? null
            : false;
    }

    private List<Row> Some(int max)
    {
        using var command = Command(SomeSql, new SqliteParameter("$max", max));
        using var reader = command.ExecuteReader();
        var rows = new List<Row>();
        while (reader.Read()) rows.Add(new Row(reader.GetString(0), reader.GetInt64(1) + 1, reader.GetInt64(2), reader.GetFieldValue<byte[]>(3)));
        return rows;
    }

    private bool IsTaken(Row row)
    {
        try
        {
            return Write(row);
        }
        catch (SqliteException)
        {
            return false;
        }
    }

    /// <summary>The stored version of a key: the later of the table row and the parked row. The table row wins if they are equal.</summary>
    public (long Version, long Epoch, bool IsParked)? Find(string key)
    {
        _storedId.Value = key;
        using var reader = _version.ExecuteReader();
        return reader.Read() ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetBoolean(2)) : null;
    }

    /// <summary>Creates any other statement, in the current transaction.</summary>
    public SqliteCommand Command(string sql, params SqliteParameter[] parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = _upsert.Transaction;
        command.Parameters.AddRange(parameters);
        return command;
    }

    public static bool IsOf(Row row, long version, long epoch) => (version, epoch) == (row.Version, row.Epoch);

    public static byte[] AsArray(ReadOnlyMemory<byte> state) =>
        MemoryMarshal.TryGetArray(state, out var segment) && segment is { Offset: 0, Array: { } array } && segment.Count == array.Length
            ? array
            : state.ToArray();

    public void Dispose()
    {
        _upsert.Dispose();
        _version.Dispose();
        _count.Dispose();
        _connection.Dispose();
    }

    private SqliteCommand Prepare(string sql, params SqliteParameter[] parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddRange(parameters);
        command.Prepare();
        return command;
    }
}
