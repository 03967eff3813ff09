using DbUp.Postgresql;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>Brings a database up to the scripts that this assembly carries, each of them once, one silo at a time.</summary>
internal static partial class PostgresMigration
{
    private const string Scripts = "Actors.Schema.";

    // The key of the advisory lock: any number, the same for all silos ("actors" in ASCII).
    private const long LockKey = 0x6163746F7273;

    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);

    public static async Task RunAsync(NpgsqlDataSource dataSource, string description, ILogger logger, CancellationToken cancellationToken)
    {
        // The lock lives as long as this session, so a silo that dies leaves none behind.
        await using var session = await dataSource.OpenConnectionAsync(cancellationToken);
        await LockAsync(session, description, logger, cancellationToken);
        try
        {
            // DbUp knows no async.
            await Task.Run(() => Upgrade(dataSource, description, logger), cancellationToken);
        }
        finally
        {
            await UnlockAsync(session);
        }
    }

    // Asked for again and again rather than waited for: a waiting statement would run into the command time-out, and
    // would hold a snapshot that keeps a script's CREATE INDEX CONCURRENTLY from finishing.
    private static async Task LockAsync(NpgsqlConnection session, string description, ILogger logger, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", session);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
        for (var attempt = 0; ; attempt++)
        {
            if (await command.ExecuteScalarAsync(cancellationToken) is true)
                return;
            if (attempt == 0)
                LogWaiting(logger, description);
            await Task.Delay(LockPoll, cancellationToken);
        }
    }

    private static async Task UnlockAsync(NpgsqlConnection session)
    {
        try
        {
            await using var command = new NpgsqlCommand("SELECT pg_advisory_unlock($1)", session);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The session broke, and the lock went with it.
        }
    }

    private static void Upgrade(NpgsqlDataSource dataSource, string description, ILogger logger)
    {
        var result = PostgresqlExtensions.PostgresqlDatabase(new PostgresqlConnectionManager(dataSource))
            .WithScriptsEmbeddedInAssembly(
                typeof(PostgresMigration).Assembly, name => name.StartsWith(Scripts, StringComparison.Ordinal))
            .JournalToPostgresqlTable(null, "schemaversions")
            .WithTransactionPerScript()
            .WithVariablesDisabled()
            .LogTo(new UpgradeLog(logger))
            .Build()
            .PerformUpgrade();

        foreach (var script in result.Scripts)
            LogApplied(logger, script.Name, description);
        if (result.Successful)
            return;
        if (result.Error is NpgsqlException and not PostgresException)
            throw result.Error;
        throw new InvalidOperationException(
            $"The schema of {description} could not be brought up to date; script {result.ErrorScript?.Name ?? "unknown"}: {result.Error.Message}",
            result.Error);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied {Script} to {Database}")]
    private static partial void LogApplied(ILogger logger, string script, string database);

    [LoggerMessage(Level = LogLevel.Information, Message = "Waiting for another silo that migrates {Database}")]
    private static partial void LogWaiting(ILogger logger, string database);
}
