using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>A primary and a standby that takes over, and servers that report themselves as read-only.</summary>
[NeedsServers]
public sealed class PostgresStandbyTests(PostgresFixture postgres)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Host_that_accepts_writes_is_used_before_and_after_a_failover()
    {
        await using var primary = await PostgresServer.StartNewAsync();
        var settings = new NpgsqlConnectionStringBuilder(await primary.CreateDatabaseAsync());
        await using var standby = await primary.StartStandbyAsync();
        settings.Host = $"127.0.0.1:{standby.Port},127.0.0.1:{primary.Port}";
        await using var store = new PostgresRowStore(settings.ConnectionString);
        await store.MigrateAsync(Token);
        await WriteAsync(store, 1);
        await store.CheckAsync(Token);

        await primary.StopAsync();
        await standby.PromoteAsync();

        await Eventually.IsTrueAsync(async () =>
        {
            try
            {
                await WriteAsync(store, 2);
                return true;
            }
            catch (StorageUnavailableException)
            {
                return false;
            }
        });
        Assert.Equal(2, (await store.ReadAsync("k", Token))!.Version);
    }

    [Fact]
    public async Task Connections_to_a_read_only_server_are_dropped()
    {
        var database = await postgres.Server.CreateDatabaseAsync();
        await using var store = new PostgresRowStore(database);
        await store.MigrateAsync(Token);

        // Only sessions that begin while it is set are read-only, and they stay so, as on a server that became a standby.
        var name = new NpgsqlConnectionStringBuilder(database).Database;
        await QueryAsync(database, $"ALTER DATABASE {name} SET default_transaction_read_only = on");
        await using var other = new PostgresRowStore(database + ";Application Name=other");
        await Assert.ThrowsAsync<StorageUnavailableException>(() => WriteAsync(other, 1));
        var check = await Assert.ThrowsAsync<StorageUnavailableException>(() => other.CheckAsync(Token));
        Assert.Contains("read-only", check.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StorageUnavailableException>(() => WriteAsync(other, 1));

        // Reads still work.
        Assert.Null(await other.ReadAsync("k", Token));
        await QueryAsync(database, $"ALTER DATABASE {name} RESET default_transaction_read_only");

        // The rejected write is the last call of that session.
        await Assert.ThrowsAsync<StorageUnavailableException>(() => WriteAsync(other, 1));
        await WriteAsync(other, 1);
        await other.CheckAsync(Token);
    }

    private static Task WriteAsync(PostgresRowStore store, long version) =>
        store.UpsertAsync([new Row("k", version, 1, "{}"u8.ToArray())], Token);

    private static async Task QueryAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(database + ";Options=-c default_transaction_read_only=off");
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Token);
    }
}
