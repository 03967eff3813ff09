using Actors.WriteBehind;
using DbUp;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Actors.Embedded;

/// <summary>Applies the embedded scripts to the file, each script once, one process at a time.</summary>
internal static partial class SqliteMigration
{
    private const string Scripts = "Actors.Embedded.Schema.";

    /// <exception cref="UnsuitableDatabaseException">The tables belong to another service.</exception>
    public static async Task RunAsync(
        string path, string connectionString, string pragmas, string? serviceId, string description, ILogger logger,
        CancellationToken cancellationToken)
    {
        // A separate lock file, because a lock in the database would block the migration itself.
        using var migrating = await FileLock.TakeAsync(path + ".migration.lock", cancellationToken);

        using (var connection = new SqliteConnection(connectionString))
        {
            // The journal mode is stored in the file and cannot be changed inside a transaction.
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = pragmas;
            command.ExecuteNonQuery();
        }

        var result = DeployChanges.To.SqliteDatabase(connectionString)
            .WithScriptsEmbeddedInAssembly(
                typeof(SqliteMigration).Assembly, name => name.StartsWith(Scripts, StringComparison.Ordinal))
            .JournalToSqliteTable("schemaversions")
            .WithTransactionPerScript()
            .WithVariablesDisabled()
            .LogTo(new UpgradeLog(logger))
            .Build()
            .PerformUpgrade();

        foreach (var script in result.Scripts)
            LogApplied(logger, script.Name, description);
        if (result.Successful)
        {
            if (serviceId is not null) Claim(connectionString, serviceId, description);
            return;
        }

        if (result.Error is SqliteException)
            throw result.Error;
        throw new InvalidOperationException(
            $"The schema of {description} could not be brought up to date; script {result.ErrorScript?.Name ?? "unknown"}: {result.Error.Message}",
            result.Error);
    }

    // Like PostgresOwner, but under the migration lock.
    private static void Claim(string connectionString, string serviceId, string description)
    {
        using var connection = new SqliteConnection(connectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText =
            """
            INSERT INTO table_owner (only_one, service_id, claimed_at) VALUES (1, $service, strftime('%Y-%m-%d %H:%M:%S', 'now') || 'Z')
            ON CONFLICT (only_one) DO NOTHING;
            SELECT service_id, claimed_at FROM table_owner
            """;
        command.Parameters.AddWithValue("$service", serviceId);
        using var reader = command.ExecuteReader();
        reader.Read();
        var (owner, since) = (reader.GetString(0), reader.GetString(1));
        if (owner == serviceId) return;
        throw new UnsuitableDatabaseException(
            $"The tables of {description} belong to the service \"{owner}\" since {since}, "
            + $"but this silo belongs to \"{serviceId}\" (Actors:ServiceId)."
            + " Give each service a separate data directory, or hand the tables over once no silo of the other service runs:"
            + $" UPDATE table_owner SET service_id = '{serviceId}'");
    }

    [LoggerMessage(EventId = 3203, Level = LogLevel.Information, Message = "Applied {Script} to {Database}")]
    private static partial void LogApplied(ILogger logger, string script, string database);
}
