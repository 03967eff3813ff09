using System.Text.Json;
using Npgsql;

namespace Actors.Harness;

/// <summary>
/// The latest version of each user that was acknowledged as safe, and the number of its writes. It is read without the code
/// under test.
/// </summary>
internal sealed record Acknowledged(Dictionary<string, long> Versions, Dictionary<string, long> Writes)
{
    public static Acknowledged Read(string ledger)
    {
        var versions = new Dictionary<string, long>(StringComparer.Ordinal);
        var writes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(ledger))
        {
            using var entry = JsonDocument.Parse(line);
            if (entry.RootElement.GetProperty("durability").GetString() == "memory") continue;
            var id = entry.RootElement.GetProperty("id").GetString()!;
            writes[id] = writes.GetValueOrDefault(id) + 1;
            versions[id] = Math.Max(versions.GetValueOrDefault(id), entry.RootElement.GetProperty("version").GetInt64());
        }
        return new(versions, writes);
    }

    /// <summary>Describes the users whose row is missing or older than acknowledged.</summary>
    public IEnumerable<string> Behind(Dictionary<string, StoredRow> rows) => Versions
        .Where(user => !rows.TryGetValue(user.Key, out var row) || row.Version < user.Value)
        .Select(user => $"{user.Key} was acknowledged at version {user.Value}, but "
            + (rows.TryGetValue(user.Key, out var row) ? $"the database has version {row.Version}" : "is missing in the database"));
}

/// <summary>The version and the write counter of a user in the database.</summary>
internal readonly record struct StoredRow(long Version, long Count)
{
    /// <summary>The rows of the users with this prefix.</summary>
    public static async Task<Dictionary<string, StoredRow>> ReadAsync(NpgsqlDataSource database, string prefix)
    {
        await using var command = database.CreateCommand(
            "SELECT id, version, coalesce((state -> 'counters' ->> 'writes')::bigint, 0) FROM users WHERE starts_with(id, $1)");
        command.Parameters.Add(new() { Value = prefix });
        var rows = new Dictionary<string, StoredRow>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync()) rows[reader.GetString(0)] = new(reader.GetInt64(1), reader.GetInt64(2));
        return rows;
    }
}
