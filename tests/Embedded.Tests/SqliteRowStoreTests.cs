using Actors.Contracts;
using Actors.Fixtures;
using Actors.WriteBehind;
using Microsoft.Data.Sqlite;

namespace Actors.Embedded.Tests;

public sealed class SqliteRowStoreTests : RowStoreContract
{
    private readonly TemporaryDirectory _directory = new("sqlite");
    private string _path = "";

    [Fact]
    public async Task Writes_are_synced_to_disk_and_do_not_wait_for_readers()
    {
        Assert.Equal("wal", await QueryAsync("PRAGMA journal_mode"));

        await using var reader = new SqliteConnection($"Data Source={_path};Pooling=False");
        await reader.OpenAsync(Token);
        await using var transaction = reader.BeginTransaction(deferred: true);
        await using var command = reader.CreateCommand();
        command.CommandText = "SELECT count(*) FROM users";
        Assert.Equal(0L, await command.ExecuteScalarAsync(Token));

        Assert.Empty(await UpsertAsync(Make("u1", 1)));

        Assert.Equal(0L, await command.ExecuteScalarAsync(Token));
    }

    [Fact]
    public async Task Missing_directory_is_created()
    {
        await using var store = new SqliteRowStore(_directory.File("some/where/actors.db"));

        await store.MigrateAsync(Token);

        Assert.Empty(await store.UpsertAsync([Make("u1", 1)], Token));
    }

    [Fact]
    public async Task File_that_is_not_a_database_is_reported_as_unavailable()
    {
        var path = _directory.File("text.db");
        await File.WriteAllTextAsync(path, new string('x', 10_000), Token);
        await using var store = new SqliteRowStore(path);

        await Assert.ThrowsAsync<StorageUnavailableException>(() => store.ReadAsync("u1", Token));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => store.MigrateAsync(Token));
    }

    // SQLite reports this error without a specific code, like a missing table.
    [Fact]
    public async Task Error_without_a_code_is_a_row_error_if_other_rows_succeed()
    {
        await UpsertAsync(Make("bad", 1), Make("u0", 1));
        await FailAsync("NEW.id = 'bad'");

        var error = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("bad", 2), Make("u1", 1)));

        Assert.True(error.IsCertain);
        Assert.Equal((1, 1, 2), ((await ReadAsync("u0")).Version, (await ReadAsync("bad")).Version, await CountAsync()));
    }

    [Fact]
    public async Task Error_of_every_row_is_an_outage()
    {
        await UpsertAsync(Make("u0", 1));
        await FailAsync("true");
        await Assert.ThrowsAsync<StorageUnavailableException>(() => UpsertAsync(Make("u1", 1)));
        await QueryAsync("DROP TRIGGER failing");
        await QueryAsync("ALTER TABLE users RENAME COLUMN state TO other");

        await Assert.ThrowsAsync<StorageUnavailableException>(() => UpsertAsync(Make("u1", 1)));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => Store.Parked.ParkAsync([new(Make("u1", 1), "why")], Token));
    }

    [Fact]
    public async Task Read_only_database_is_unhealthy()
    {
        await Store.CheckAsync(Token);
        await QueryAsync("DROP TABLE parked");
        await using var other = new SqliteRowStore(_path);

        await Assert.ThrowsAsync<StorageUnavailableException>(() => other.CheckAsync(Token));
    }

    [Fact]
    public async Task Tables_of_one_service_are_refused_to_another()
    {
        await using var first = new SqliteRowStore(_path, serviceId: "first");
        await first.MigrateAsync(Token);
        await first.MigrateAsync(Token);
        await using var second = new SqliteRowStore(_path, serviceId: "second");

        var error = await Assert.ThrowsAsync<UnsuitableDatabaseException>(() => second.MigrateAsync(Token));

        Assert.Contains("belong to the service \"first\" since ", error.Message, StringComparison.Ordinal);
        await QueryAsync(error.Message[error.Message.IndexOf("UPDATE", StringComparison.Ordinal)..]);
        await second.MigrateAsync(Token);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _directory.Dispose();
    }

    protected override Task CreateDatabaseAsync()
    {
        _path = _directory.File($"{Guid.NewGuid():N}.db");
        return Task.CompletedTask;
    }

    protected override IRowStore Open() => new SqliteRowStore(_path);

    // abs() of the least integer fails.
    private Task FailAsync(string when) => QueryAsync(
        $"CREATE TRIGGER failing BEFORE INSERT ON users WHEN {when} BEGIN SELECT abs(-9223372036854775808); END");

    // The directory cannot exist: its parent is a file.
    protected override IRowStore OpenUnreachable()
    {
        File.WriteAllText(_directory.File("file"), "");
        return new SqliteRowStore(_directory.File("file/actors.db"));
    }

    // SQLite cannot add a constraint to an existing table.
    protected override async Task RefuseAsync(string text)
    {
        foreach (var change in (string[])["INSERT", "UPDATE"])
        {
            await QueryAsync(
                $"CREATE TRIGGER refused_{change} BEFORE {change} ON users WHEN NEW.state LIKE '%{text}%' BEGIN SELECT RAISE(ABORT, 'refused'); END");
        }
    }

    protected override async Task RefuseNothingAsync()
    {
        await QueryAsync("DROP TRIGGER refused_INSERT");
        await QueryAsync("DROP TRIGGER refused_UPDATE");
    }

    protected override async Task<object?> QueryAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={_path};Pooling=False");
        await connection.OpenAsync(Token);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(Token);
    }

    protected override ValueTask DropDatabaseAsync()
    {
        _directory.Clear();
        return ValueTask.CompletedTask;
    }
}
