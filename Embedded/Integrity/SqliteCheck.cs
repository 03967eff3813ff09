using Microsoft.Data.Sqlite;

namespace Actors.Embedded.Integrity;

/// <summary>Compares a SQLite file with its record before a silo uses it.</summary>
internal static class SqliteCheck
{
    // Larger files are read completely only if a process ended without closing them. Reading takes a second per gigabyte.
    private const long AlwaysReadUpTo = 64 << 20;

    /// <param name="path">The file.</param>
    /// <param name="isExpected">Whether the file existed when a silo last used the directory.</param>
    /// <exception cref="DamagedFileException">The file is missing, damaged or older than expected.</exception>
    public static void Verify(string path, bool isExpected)
    {
        if (Directory.Exists(path)) throw new IOException($"{path} is a directory but should be a file.");
        var record = new CommitRecord(path);
        var recorded = record.TryRead();
        if (!File.Exists(path))
        {
            if (recorded is not null || isExpected || File.Exists(path + "-wal")) throw new DamagedFileException(path, "is missing");
            return;
        }

        if (new FileInfo(path).Length == 0)
        {
            if (recorded is not null || isExpected) throw new DamagedFileException(path, "is empty");
            return;
        }

        try
        {
            VerifyContent(path, recorded, record.Path);
        }
        catch (SqliteException error) when (error.SqliteErrorCode is SqliteCodes.Corrupt or SqliteCodes.NotADatabase)
        {
            throw new DamagedFileException(path, $"is damaged: {error.Message}");
        }
    }

    private static void VerifyContent(string path, (string Id, long Commits)? recorded, string recordPath)
    {
        var isToBeRead = File.Exists(path + "-wal") || new FileInfo(path).Length <= AlwaysReadUpTo;
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWrite,
            Pooling = false,
        }.ConnectionString);
        connection.Open();
        if (isToBeRead && Query("PRAGMA quick_check(1)", connection) is [string result] && result != "ok")
            throw new DamagedFileException(path, $"is damaged: {result}");
        if (recorded is not var (id, commits)) return;

        // A file from before the record existed cannot be compared.
        var hasCount = Query("SELECT count(*) FROM sqlite_master WHERE name = 'store'", connection) is [1L];
        if (!hasCount || Query("SELECT id, commits FROM store", connection) is not [string storedId, long stored])
            throw new DamagedFileException(path, "is older than what was written: it counts no transactions") { Affected = [recordPath] };
        if (storedId != id) throw new DamagedFileException(path, "is not the database that belongs in this directory");
        if (stored < commits)
        {
            throw new DamagedFileException(path, FormattableString.Invariant(
                    $"lacks the last {commits - stored} of {commits} transactions: ")
                + $"it or its write-ahead log, {path}-wal, was replaced, cut off or deleted")
            {
                // The existing rows are good, so without the record the silo can continue with them.
                Affected = [recordPath],
            };
        }
    }

    private static object[] Query(string sql, SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        if (!reader.Read()) return [];
        var values = new object[reader.FieldCount];
        reader.GetValues(values);
        return values;
    }
}
