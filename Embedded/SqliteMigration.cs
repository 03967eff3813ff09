using Actors.WriteBehind;
using DbUp;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Actors.Embedded;

/// <summary>Brings the file up to the scripts that this assembly carries, each of them once, one process at a time.</summary>
internal static partial class SqliteMigration
{
    private const string Scripts = "Actors.Embedded.Schema.";

    public static async Task RunAsync(
        string path, string connectionString, string pragmas, string description, ILogger logger, CancellationToken cancellationToken)
    {
        // A lock beside the file, since a lock in the file would be in the way of the migration itself.
        using var migrating = await FileLock.TakeAsync(path + ".migration.lock", cancellationToken);

        using (var connection = new SqliteConnection(connectionString))
        {
            // The journal mode stays with the file, and cannot be changed inside a transaction.
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
            return;
        if (result.Error is SqliteException)
            throw result.Error;
        throw new InvalidOperationException(
            $"The schema of {description} could not be brought up to date; script {result.ErrorScript?.Name ?? "unknown"}: {result.Error.Message}",
            result.Error);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied {Script} to {Database}")]
    private static partial void LogApplied(ILogger logger, string script, string database);
}
