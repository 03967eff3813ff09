using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace Actors.WriteBehind;

/// <summary>The SQL for one table and the rows parked beside it. A parked row fences like a row in the table.</summary>
/// <param name="table">The name of the table, never user input.</param>
internal sealed class PostgresStatements(string table)
{
    /// <summary>$1: keys. In byte order, as rows are parked, so that the two cannot deadlock.</summary>
    public const string Lock = "SELECT id, version, epoch, state FROM parked WHERE id = ANY ($1) ORDER BY id COLLATE \"C\" FOR UPDATE";

    /// <summary>$1: keys.</summary>
    public const string Delete = "DELETE FROM parked WHERE id = ANY ($1)";

    /// <summary>$1: the key to continue after, or null; $2: the maximum number.</summary>
    public const string List =
        "SELECT id, version, reason, parked_at, state FROM parked WHERE ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2";

    /// <summary>The name of the table, unquoted.</summary>
    public string Table { get; } = table;

    private readonly string _name = $"\"{table.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>
    /// $1 to $4: keys, versions, epochs, states. OFFSET 0 keeps the planner from joining with the parked rows: it probes a mostly
    /// empty index instead, and the rows stay in the order in which they are locked.
    /// </summary>
    public string Upsert => field ??= $"""
        INSERT INTO {_name} AS stored (id, version, epoch, state)
        SELECT * FROM unnest($1, $2, $3, $4) AS given (id, version, epoch, state)
        WHERE NOT EXISTS (
            SELECT 1 FROM parked WHERE parked.id = given.id AND parked.version >= given.version
                AND (parked.version, parked.epoch) <> (given.version, given.epoch) OFFSET 0)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state
        WHERE stored.version < excluded.version
        """;

    /// <summary>$1: keys. Rows of the table and parked rows: the state is in the column of its origin.</summary>
    public string Read => field ??= $"""
        SELECT id, version, epoch, state, NULL::bytea FROM {_name} WHERE id = ANY ($1)
        UNION ALL SELECT id, version, epoch, NULL, state FROM parked WHERE id = ANY ($1)
        """;

    /// <summary>$1: keys. Key, version, epoch, and whether the row is parked; up to two rows per key.</summary>
    public string Versions => field ??= $"""
        SELECT id, version, epoch, false FROM {_name} WHERE id = ANY ($1)
        UNION ALL SELECT id, version, epoch, true FROM parked WHERE id = ANY ($1)
        """;

    /// <summary>$1 to $5: keys, versions, epochs, states, reasons.</summary>
    public string Park => field ??= $"""
        INSERT INTO parked AS kept (id, version, epoch, state, reason, parked_at)
        SELECT given.*, now() FROM unnest($1, $2, $3, $4, $5) AS given (id, version, epoch, state, reason)
        WHERE NOT EXISTS (SELECT 1 FROM {_name} AS stored WHERE stored.id = given.id AND stored.version >= given.version OFFSET 0)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, state = excluded.state,
            reason = excluded.reason, parked_at = excluded.parked_at
        WHERE kept.version < excluded.version
        """;

    /// <summary>$1: key, $2: version.</summary>
    public string Reason => field ??= $"""
        SELECT reason FROM parked WHERE id = $1 AND version >= $2
        AND NOT EXISTS (SELECT 1 FROM {_name} AS stored WHERE stored.id = $1 AND stored.version >= $2)
        """;

    /// <summary>$1: keys; $2: the maximum number. Some rows of other keys that no other session holds locked.</summary>
    public string Some => field ??=
        $"SELECT id, version, epoch, state FROM {_name} WHERE id <> ALL ($1) AND version < {long.MaxValue} LIMIT $2 FOR UPDATE SKIP LOCKED";

    /// <summary>$1: keys. The keys whose rows another session holds locked.</summary>
    public string Locked => field ??= $"""
        WITH free AS (SELECT id FROM {_name} WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED)
        SELECT id FROM {_name} WHERE id = ANY ($1) AND id NOT IN (SELECT id FROM free)
        """;

    /// <summary>Limits how long the rest of the transaction waits for each lock.</summary>
    public static string LockPatience(TimeSpan patience, int commandSeconds)
    {
        // A command timeout of 0 means none.
        var milliseconds = commandSeconds > 0 ? Math.Min((int)patience.TotalMilliseconds, commandSeconds * 500L) : (int)patience.TotalMilliseconds;
        return string.Create(CultureInfo.InvariantCulture, $"SELECT set_config('lock_timeout', '{milliseconds}', true)");
    }

    /// <summary>True if the session is read-only. Also reads the table, which must exist.</summary>
    public string Check => field ??=
        $"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean OR EXISTS (SELECT 1 FROM {_name} WHERE id IS NULL)";

    public string DeleteObsolete => field ??=
        $"DELETE FROM parked USING {_name} AS stored WHERE stored.id = parked.id AND stored.version >= parked.version";
}

/// <summary>Parameters of <see cref="PostgresStatements"/>.</summary>
internal static class PostgresParameters
{
    public static void AddKeys(this NpgsqlCommand command, IReadOnlyList<string> keys) => command.AddTexts([.. keys]);

    public static void AddTexts(this NpgsqlCommand command, string[] texts) => command.Parameters.Add(
        new NpgsqlParameter<string[]> { TypedValue = texts, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
}
