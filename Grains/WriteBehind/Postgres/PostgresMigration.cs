using System.Diagnostics;
using DbUp.Postgresql;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>Applies the migration scripts in this assembly to a database, each once, one silo at a time.</summary>
internal static partial class PostgresMigration
{
    private const string Scripts = "Actors.Schema.";

    // The key of the advisory lock: any number, the same for all silos ("actors" in ASCII).
    private const long LockKey = 0x6163746F7273;

    // Any of these timeouts would end the transaction or the session while the scripts run on another connection.
    private const string NoTimeouts =
        "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);

    /// <exception cref="UnsuitableDatabaseException">The encoding is not UTF8, or the tables belong to another service.</exception>
    /// <exception cref="StorageUnavailableException">Another session held the lock for longer than <paramref name="patience"/>.</exception>
    /// <exception cref="MigrationFailedException">A script failed.</exception>
    public static async Task RunAsync(
        NpgsqlDataSource dataSource, string table, string? serviceId, string description, ILogger logger, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        await using var session = await dataSource.OpenConnectionAsync(cancellationToken);
        await CheckEncodingAsync(session, description, cancellationToken);
        await using var transaction = await LockAsync(session, description, logger, patience, cancellationToken);

        // DbUp is synchronous.
        await Task.Run(() => Upgrade(dataSource, description, logger), cancellationToken);
        if (serviceId is not null) await PostgresOwner.ClaimAsync(session, table, serviceId, description, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task CheckEncodingAsync(NpgsqlConnection session, string description, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT current_setting('server_encoding'), current_setting('client_encoding')", session);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (server, client) = (reader.GetString(0), reader.GetString(1));
        if (server != "UTF8")
        {
            throw new UnsuitableDatabaseException(
                $"{description} has the encoding {server}, which cannot hold every user; the encoding must be UTF8:"
                + " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.");
        }

        if (client != "UTF8") throw new UnsuitableDatabaseException($"{description} is used with the client encoding {client}; it must be UTF8.");
    }

    /// <summary>
    /// Takes the lock for the duration of a transaction: behind a pooler the next statement may reach another session, but a
    /// transaction stays on one. The lock of a silo that dies is released.
    /// </summary>
    private static async Task<NpgsqlTransaction> LockAsync(
        NpgsqlConnection session, string description, ILogger logger, TimeSpan patience, CancellationToken cancellationToken)
    {
        // Polled: a waiting statement would hit the command timeout, and would hold a snapshot that prevents a script's
        // CREATE INDEX CONCURRENTLY from finishing.
        var watch = Stopwatch.StartNew();
        string? said = null;
        while (true)
        {
            var transaction = await session.BeginTransactionAsync(cancellationToken);
            if (await TryLockAsync(session, cancellationToken)) return transaction;
            var holder = await MigrationLockHolder.FindAsync(session, LockKey, cancellationToken);
            await transaction.DisposeAsync();
            if (holder?.ToString() is { } now && now != said) LogWaiting(logger, description, said = now, patience);
            if (watch.Elapsed > patience) throw new StorageUnavailableException("the database", GivenUp(description, holder, patience));
            await Task.Delay(LockPoll, cancellationToken);
        }
    }

    private static async Task<bool> TryLockAsync(NpgsqlConnection session, CancellationToken cancellationToken)
    {
        await using (var timeouts = new NpgsqlCommand(NoTimeouts, session)) await timeouts.ExecuteNonQueryAsync(cancellationToken);
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_xact_lock($1)", session);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private static string GivenUp(string description, MigrationLockHolder? holder, TimeSpan patience) =>
        $"{description}: another session has held the migration lock for more than {patience.TotalSeconds:0} s:"
        + $" {holder?.ToString() ?? "a session that has ended by now"}."
        + (holder is null ? "" : $" If no silo is starting, end that session: SELECT pg_terminate_backend({holder.ProcessId})");

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
        throw new MigrationFailedException(result.ErrorScript?.Name, result.Error);
    }

    [LoggerMessage(EventId = 1519, Level = LogLevel.Information, Message = "Applied {Script} to {Database}")]
    private static partial void LogApplied(ILogger logger, string script, string database);

    [LoggerMessage(EventId = 1520, Level = LogLevel.Information, Message =
        "Waiting at most {Patience} for another session to finish its migration of {Database}: {Holder}")]
    private static partial void LogWaiting(ILogger logger, string database, string holder, TimeSpan patience);
}
