using Npgsql;

namespace Actors.Harness;

/// <summary>
/// Records each change of a user row inside PostgreSQL, without the code under test: a row that is reverted and restored would
/// look correct at the end.
/// </summary>
public static class RowWatch
{
    private const string Watch = """
        CREATE TABLE IF NOT EXISTS harness_went_back (id text, was bigint, became bigint);
        CREATE OR REPLACE FUNCTION harness_watch() RETURNS trigger LANGUAGE plpgsql AS '
            BEGIN
                INSERT INTO harness_went_back VALUES (OLD.id, OLD.version, CASE TG_OP WHEN ''UPDATE'' THEN NEW.version END);
                RETURN NULL;
            END';
        CREATE OR REPLACE TRIGGER harness_watch AFTER UPDATE ON users FOR EACH ROW
            WHEN (NEW.version < OLD.version OR (NEW.version = OLD.version AND NEW.state IS DISTINCT FROM OLD.state))
            EXECUTE FUNCTION harness_watch();
        CREATE OR REPLACE TRIGGER harness_watch_deletes AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION harness_watch()
        """;

    /// <summary>Starts the recording unless it has started. The tables must exist, so a silo has started.</summary>
    public static Task WatchRowsAsync(this Deployment deployment) => deployment.ExecuteAsync(Watch);

    /// <summary>The records of users with this prefix; empty without a recording.</summary>
    internal static async Task<List<string>> SeenAsync(NpgsqlDataSource database, string prefix)
    {
        await using var exists = database.CreateCommand("SELECT to_regclass('harness_went_back') IS NOT NULL");
        if (!(bool)(await exists.ExecuteScalarAsync())!) return [];
        await using var command = database.CreateCommand("SELECT id, was, became FROM harness_went_back WHERE starts_with(id, $1)");
        command.Parameters.Add(new() { Value = prefix });
        var seen = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var (id, was) = (reader.GetString(0), reader.GetInt64(1));
            seen.Add(await reader.IsDBNullAsync(2) ? $"{id} was deleted at version {was}"
                : reader.GetInt64(2) == was ? $"{id} had two states of version {was}"
                : $"{id} went from version {was} to {reader.GetInt64(2)}");
        }
        return seen;
    }
}
