using System.Globalization;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>The session that holds the migration lock, as reported by the database.</summary>
internal sealed record MigrationLockHolder(int ProcessId, string Application, string Client, string State, DateTime? Since)
{
    private const string Find = """
        SELECT held.pid, coalesce(session.application_name, ''), coalesce(host(session.client_addr), 'local'), coalesce(session.state, ''),
            coalesce(session.xact_start, session.state_change, session.backend_start)
        FROM pg_locks AS held LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND held.classid::bigint = $1 >> 32 AND held.objid::bigint = $1 & 4294967295
        LIMIT 1
        """;

    public static async Task<MigrationLockHolder?> FindAsync(NpgsqlConnection session, long key, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Find, session);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = key });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new(reader.GetInt32(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetDateTime(4))
            : null;
    }

    public override string ToString()
    {
        var state = State.Length > 0 ? State : "state unknown";
        var since = Since?.ToString(", 'since' yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"process {ProcessId}, application \"{Application}\", client {Client}, {state}{since}");
    }
}
