using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>The migration of a database at startup, and the databases that a silo refuses.</summary>
[NeedsServers]
public sealed class PostgresMigrationTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string LockKey = "107079783117427"; // "actors" in ASCII.

    // Only this database's locks; the view also lists those of others.
    private const string AdvisoryLocks =
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND datname = current_database()";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private string _database = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _database = await postgres.Server.CreateDatabaseAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Database_of_another_encoding_is_rejected_with_the_allowed_one()
    {
        var database = await postgres.Server.CreateDatabaseAsync("LATIN1");
        await using var store = new PostgresRowStore(database);

        var error = await Assert.ThrowsAsync<UnsuitableDatabaseException>(() => store.MigrateAsync(Token));

        Assert.Contains("has the encoding LATIN1", error.Message, StringComparison.Ordinal);
        Assert.Contains("must be UTF8", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("Client Encoding=LATIN1", "Client Encoding=LATIN1; use UTF8")]
    [InlineData("Client Encoding=SQL_ASCII", "Client Encoding=SQL_ASCII; use UTF8")]
    [InlineData("Encoding=iso-8859-1", "Encoding=iso-8859-1; use UTF8")]
    [InlineData("Target Session Attributes=standby", "Target Session Attributes=standby; use read-write or primary")]
    [InlineData("Target Session Attributes=prefer-standby", "Target Session Attributes=prefer-standby")]
    [InlineData("Target Session Attributes=prefer-primary", "Target Session Attributes=prefer-primary")]
    [InlineData("Target Session Attributes=read-only", "Target Session Attributes=read-only")]
    [InlineData("Target Session Attributes=any", "Target Session Attributes=any")]
    public void Unusable_connection_string_is_rejected_with_the_allowed_values(string setting, string fault) =>
        Assert.Contains(fault, PostgresRowStore.FindFault($"Host=a,b;Password=hunter2;{setting}"), StringComparison.Ordinal);

    [Theory]
    [InlineData("Client Encoding=utf-8")]
    [InlineData("Client Encoding=UNICODE")]
    [InlineData("Target Session Attributes=primary")]
    [InlineData("Target Session Attributes=read-write")]
    [InlineData("Max Auto Prepare=0")]
    public async Task Connection_string_with_the_allowed_values_works(string setting)
    {
        Assert.Null(PostgresRowStore.FindFault($"{_database};{setting}"));
        await using var store = new PostgresRowStore($"{_database};{setting}");
        await store.MigrateAsync(Token);
        Assert.Empty(await store.UpsertAsync([QueueBench.Make("日本", 1)], Token));
        await store.CheckAsync(Token);
    }

    [Theory]
    [InlineData("Target Session Attributes=primary")]
    [InlineData("Target Session Attributes=read-write")]
    [InlineData("Multiplexing=true")]
    [InlineData("Max Auto Prepare=0")]
    public async Task Clock_can_be_read_with_any_valid_connection_string(string setting)
    {
        await using var clock = new PostgresClock($"{_database};{setting}", "PostgreSQL");

        Assert.InRange(await clock.NowAsync(Token) - DateTimeOffset.UtcNow, -Limit, Limit);
    }

    [Fact]
    public async Task Encoding_of_a_role_or_the_environment_is_ignored()
    {
        var name = new NpgsqlConnectionStringBuilder(_database).Database;
        await ExecuteAsync(_database, $"ALTER DATABASE {name} SET client_encoding = 'LATIN1'");
        await using var store = new PostgresRowStore(_database);
        await store.MigrateAsync(Token);

        Assert.Empty(await store.UpsertAsync([QueueBench.Make("日本", 1)], Token));
        Assert.NotNull(await store.ReadAsync("日本", Token));
    }

    // Simulates a pooler session that holds the lock although its client is gone.
    [Fact]
    public async Task Silo_that_waits_for_a_migration_reports_the_lock_holder_and_times_out()
    {
        await using var holder = new NpgsqlConnection(_database + ";Application Name=stranded");
        await holder.OpenAsync(Token);
        await using (var take = new NpgsqlCommand($"SELECT pg_advisory_lock({LockKey})", holder)) await take.ExecuteNonQueryAsync(Token);
        await using var store = new PostgresRowStore(_database) { MigrationPatience = TimeSpan.FromSeconds(1) };

        var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => store.MigrateAsync(Token).WaitAsync(Limit, Token));

        Assert.Contains($"process {holder.ProcessID}, application \"stranded\", client 127.0.0.1, idle, since ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"SELECT pg_terminate_backend({holder.ProcessID})", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);

        await ExecuteAsync(_database, $"SELECT pg_terminate_backend({holder.ProcessID})");
        await store.MigrateAsync(Token).WaitAsync(Limit, Token);
    }

    [Fact]
    public async Task Migration_lock_belongs_to_a_transaction_without_a_timeout()
    {
        // Blocks in the middle of a migration: the first script waits for a table that it checks.
        var name = new NpgsqlConnectionStringBuilder(_database).Database;
        await ExecuteAsync(_database, $"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '300ms'");
        await ExecuteAsync(
            _database,
            "CREATE TABLE schemaversions (schemaversionsid serial PRIMARY KEY, scriptname varchar(255) NOT NULL, applied timestamp NOT NULL)");
        await using var blocker = new NpgsqlConnection(_database + ";Options=-c idle_in_transaction_session_timeout=0");
        await blocker.OpenAsync(Token);
        await using var transaction = await blocker.BeginTransactionAsync(Token);
        await using (var command = new NpgsqlCommand("LOCK TABLE schemaversions", blocker)) await command.ExecuteNonQueryAsync(Token);
        await using var store = new PostgresRowStore(_database);
        var migrating = store.MigrateAsync(Token);

        await Eventually.IsTrueAsync(async () => await CountAsync(
            AdvisoryLocks + " AND xact_start < now() - interval '1 s' AND state = 'idle in transaction'") == 1);
        await transaction.RollbackAsync(Token);
        await migrating.WaitAsync(Limit, Token);

        Assert.Equal(0, await CountAsync(AdvisoryLocks));
    }

    [Fact]
    public async Task Silos_migrate_in_turn_behind_a_transaction_pooler_and_leave_no_lock()
    {
        const int Silos = 6;
        await using var bouncer = await PgBouncer.StartAsync(_database);
        var stores = Enumerable.Range(0, Silos).Select(_ => new PostgresRowStore(bouncer.Through(_database), serviceId: "actors")).ToList();
        try
        {
            await Task.WhenAll(stores.Select(store => store.MigrateAsync(Token))).WaitAsync(Limit, Token);
            Assert.Equal(0, await CountAsync(AdvisoryLocks));

            await Task.WhenAll(stores.Select(async (store, i) =>
            {
                for (var version = 1; version <= 10; version++)
                {
                    Assert.Empty(await store.UpsertAsync([QueueBench.Make($"k{i}", version)], Token));
                    Assert.Equal(version, (await store.ReadAsync($"k{i}", Token))!.Version);
                }

                await store.CheckAsync(Token);
            }));
        }
        finally
        {
            foreach (var store in stores) await store.DisposeAsync();
        }
    }

    [Fact]
    public async Task Tables_of_one_service_are_refused_to_another()
    {
        await using var first = Open("first");
        await first.MigrateAsync(Token);
        await first.MigrateAsync(Token);
        await using var second = Open("second");

        var error = await Assert.ThrowsAsync<UnsuitableDatabaseException>(() => second.MigrateAsync(Token));

        Assert.Contains("belong to the service \"first\" since ", error.Message, StringComparison.Ordinal);
        Assert.Contains("this silo belongs to \"second\"", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);

        await ExecuteAsync(_database, error.Message[error.Message.IndexOf("UPDATE", StringComparison.Ordinal)..]);
        await second.MigrateAsync(Token);
        await Assert.ThrowsAsync<UnsuitableDatabaseException>(() => first.MigrateAsync(Token));
    }

    [Fact]
    public async Task Table_in_two_search_paths_belongs_to_one_service()
    {
        await using var first = Open("first", "a,public");
        await first.MigrateAsync(Token);

        // The new schemas precede public in the search paths and hold no tables of ours.
        await ExecuteAsync(_database, "CREATE SCHEMA a; CREATE SCHEMA b");
        await first.MigrateAsync(Token);
        await using var second = Open("second", "b,public");

        var error = await Assert.ThrowsAsync<UnsuitableDatabaseException>(() => second.MigrateAsync(Token));

        Assert.Contains("in the schema public of", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, await CountAsync("SELECT count(*) FROM pg_class WHERE relname = 'table_owner' AND relkind = 'r'"));
    }

    [Fact]
    public async Task Tables_of_an_older_version_are_claimed_by_the_first_service()
    {
        await using (var old = new PostgresRowStore(_database)) await old.MigrateAsync(Token);
        await ExecuteAsync(_database, "DROP TABLE table_owner; DELETE FROM schemaversions WHERE scriptname LIKE '%table_owner%'");

        await using var first = Open("first");
        await first.MigrateAsync(Token);

        Assert.Equal("first", await QueryAsync("SELECT service_id FROM table_owner"));
    }

    [Fact]
    public async Task Exactly_one_of_two_concurrent_services_is_refused()
    {
        var stores = Enumerable.Range(0, 6).Select(i => Open($"service-{i % 2}")).ToList();

        var outcomes = await Task.WhenAll(stores.Select(async store =>
        {
            try
            {
                await store.MigrateAsync(Token);
                return true;
            }
            catch (UnsuitableDatabaseException)
            {
                return false;
            }
        }));

        Assert.True(outcomes[0] != outcomes[1]);
        Assert.Equal(3, outcomes.Count(outcome => outcome));
        foreach (var store in stores) await store.DisposeAsync();
    }

    private PostgresRowStore Open(string service, string? searchPath = null) =>
        new(searchPath is null ? _database : $"{_database};Search Path={searchPath}", serviceId: service);

    private async Task<long> CountAsync(string sql) => (long)(await QueryAsync(sql))!;

    private async Task<object?> QueryAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_database + ";Pooling=false");
        await connection.OpenAsync(Token);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Token);
    }

    private static async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync(Token);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Token);
    }
}
