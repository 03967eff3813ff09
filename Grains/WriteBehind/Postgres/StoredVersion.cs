using Actors.Core;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>The stored version of a key: the later of the table's row and the parked one; the table's if they are equal.</summary>
internal readonly record struct StoredVersion(long Version, long Epoch, bool IsParked)
{
    public static async Task<Dictionary<string, StoredVersion>> LatestAsync(
        NpgsqlConnection connection, PostgresStatements statements, IReadOnlyList<string> keys, int seconds,
        CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(statements.Versions, connection) { CommandTimeout = seconds };
        command.AddKeys(keys);
        var latest = new Dictionary<string, StoredVersion>(keys.Count, StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var stored = new StoredVersion(reader.GetInt64(1), reader.GetInt64(2), reader.GetBoolean(3));
            var key = reader.GetString(0);
            if (!latest.TryGetValue(key, out var other) || stored.IsLaterThan(other)) latest[key] = stored;
        }

        return latest;
    }

    /// <summary>True if it is exactly that row.</summary>
    public bool IsOf(Row row) => (Version, Epoch) == (row.Version, row.Epoch);

    public FencedRow Refusing(Row row) => new(row.Key, Version, Epoch);

    private bool IsLaterThan(StoredVersion other) => Version > other.Version || (Version == other.Version && !IsParked);
}
