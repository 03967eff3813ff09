using System.Diagnostics;
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

    // Within a transaction all of them would end it, or the session, while the scripts run on another connection.
    private const string NoTimeouts =
        "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);

    /// <exception cref="UnsuitableDatabaseException">Its encoding is not UTF8, or its tables are another service's.</exception>
    /// <exception cref="StorageUnavailableException">Another session held the lock for longer than <paramref name="patience"/>.</exception>
    /// <exception cref="MigrationFailedException">A script failed.</exception>
    public static async Task RunAsync(
        NpgsqlDataSource dataSource, string table, string? serviceId, string description, ILogger logger, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        await using var session = await dataSource.OpenConnectionAsync(cancellationToken);
        await CheckEncodingAsync(session, description, cancellationToken);
        await using var transaction = await LockAsync(session, description, logger, patience, cancellationToken);

        // DbUp knows no async.
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
                $"{description} has the encoding {server}, which cannot hold every user; allowed is UTF8:"
                + " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.");
        }

        if (client != "UTF8") throw new UnsuitableDatabaseException($"{description} is used with the client encoding {client}; allowed is UTF8.");
    }

    /// <summary>
    /// Takes the lock, which ends with the transaction: behind a pooler the next statement may reach another session, but a
    /// transaction stays on one. A silo that dies leaves no lock behind.
    /// </summary>
    private static async Task<NpgsqlTransaction> LockAsync(
        NpgsqlConnection session, string description, ILogger logger, TimeSpan patience, CancellationToken cancellationToken)
    {
        // Asked for again and again rather than waited for: a waiting statement would run into the command time-out, and
        // would hold a snapshot that keeps a script's CREATE INDEX CONCURRENTLY from finishing.
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
        $"{description}: another session has held the lock for migrations for {patience.TotalSeconds:0} s and more:"
        + $" {holder?.ToString() ?? "one that is gone by now"}."
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied {Script} to {Database}")]
    private static partial void LogApplied(ILogger logger, string script, string database);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Waiting for another session to end its migration of {Database}, for at most {Patience}: {Holder}")]
    private static partial void LogWaiting(ILogger logger, string database, string holder, TimeSpan patience);
}
