using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Records which service owns the tables, in a row beside them in their schema. Two clusters that reach one table by different
/// search paths find the same row.
/// </summary>
internal static class PostgresOwner
{
    private const string FindSchema = """
        SELECT quote_ident(schema.nspname) FROM pg_class AS found JOIN pg_namespace AS schema ON schema.oid = found.relnamespace
        WHERE found.oid = to_regclass($1)
        """;

    /// <summary>Records <paramref name="serviceId"/> as the owner, unless there is one already.</summary>
    /// <exception cref="UnsuitableDatabaseException">Another service owns the tables.</exception>
    public static async Task ClaimAsync(
        NpgsqlConnection session, string table, string serviceId, string description, CancellationToken cancellationToken)
    {
        var schema = await SchemaAsync(session, table, cancellationToken);
        await using (var claim = new NpgsqlCommand(
            $"INSERT INTO {schema}.table_owner (service_id, claimed_at) VALUES ($1, now()) ON CONFLICT (only_one) DO NOTHING", session))
        {
            claim.Parameters.Add(new NpgsqlParameter<string> { TypedValue = serviceId });
            await claim.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var look = new NpgsqlCommand($"SELECT service_id, claimed_at FROM {schema}.table_owner", session);
        await using var reader = await look.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (owner, since) = (reader.GetString(0), reader.GetDateTime(1));
        if (owner == serviceId) return;
        throw new UnsuitableDatabaseException(
            $"The tables in the schema {schema} of {description} belong to the service \"{owner}\" since {since:yyyy-MM-dd HH:mm:ss}Z, but this silo"
            + $" belongs to \"{serviceId}\" (Actors:ServiceId). Give each service its own database or schema. Or, once no silo of the other service"
            + $" runs, transfer them: UPDATE {schema}.table_owner SET service_id = '{serviceId}'");
    }

    private static async Task<string> SchemaAsync(NpgsqlConnection session, string table, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(FindSchema, session);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $"\"{table.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" });
        return await command.ExecuteScalarAsync(cancellationToken) as string
            ?? throw new InvalidOperationException($"The table {table} is not on the search path.");
    }
}
