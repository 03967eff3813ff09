using Actors.Contracts;
using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

[NeedsServers]
public sealed class PostgresRowStoreTests(PostgresFixture postgres) : RowStoreContract
{
    private string _connectionString = "";

    [Fact]
    public void Description_shows_the_address_and_no_secret()
    {
        var store = new PostgresRowStore("Host=db.example;Port=5433;Database=actors;Username=ann;Password=hunter2");

        Assert.Equal("PostgreSQL at db.example:5433/actors", store.Description);
    }

    [Theory]
    [InlineData("Password", "wrong-secret")]
    [InlineData("Username", "nobody")]
    [InlineData("Database", "nowhere")]
    public async Task Rejected_login_is_reported_with_address_and_user_but_no_password(string key, string value)
    {
        var settings = new NpgsqlConnectionStringBuilder(_connectionString) { [key] = value };
        await using var store = new PostgresRowStore(settings.ConnectionString);

        var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => store.ReadAsync("u1", Token));

        Assert.Contains(store.Description, error.Message, StringComparison.Ordinal);
        Assert.Contains($"\"{settings.Username}\"", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(settings.Password!, error.ToString(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<StorageUnavailableException>(() => store.MigrateAsync(Token));
    }

    [Fact]
    public async Task Rejection_by_a_constraint_or_trigger_is_a_row_error()
    {
        await QueryAsync("ALTER TABLE users ADD CONSTRAINT no_poison CHECK (id <> 'poison')");

        var error = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("fine", 1), Make("poison", 1)));

        Assert.Equal("new row for relation \"users\" violates check constraint \"no_poison\" (23514)", error.Reason);
        Assert.Equal(0, await CountAsync());
    }

    [Theory]
    [InlineData("P0001", true)]
    [InlineData("23502", false)]
    [InlineData("23505", true)]
    [InlineData("44000", true)]
    [InlineData("45000", true)]
    [InlineData("54000", true)]
    [InlineData("54001", false)]
    [InlineData("42P01", false)]
    [InlineData("42501", false)]
    [InlineData("XX000", false)]
    [InlineData("ZZ001", false)]
    [InlineData("26000", false)]
    [InlineData("55P03", false)]
    public async Task Errors_of_every_row_are_rejections_only_if_they_concern_data(string state, bool isRefusal)
    {
        await UpsertAsync(Make("u0", 1));
        await RaiseAsync("true", state);

        var error = await Assert.ThrowsAnyAsync<Exception>(() => UpsertAsync(Make("u1", 1)));

        Assert.Equal(isRefusal ? typeof(RowsRefusedException) : typeof(StorageUnavailableException), error.GetType());
        Assert.Contains(state, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ZZ001")]
    [InlineData("42501")]
    [InlineData("23502")]
    [InlineData("54001")]
    [InlineData("XX000")]
    public async Task Any_error_code_is_a_row_error_if_other_rows_succeed(string state)
    {
        await UpsertAsync(Make("bad", 1), Make("u0", 1));
        await RaiseAsync("NEW.id = 'bad'", state);

        var error = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("bad", 2), Make("u1", 1)));

        Assert.Contains(state, error.Reason, StringComparison.Ordinal);
        Assert.True(error.IsCertain);
        Assert.Equal((1, 1), ((await ReadAsync("u0")).Version, (await ReadAsync("bad")).Version));
        Assert.Equal(2, await CountAsync());
    }

    [Fact]
    public async Task Constraint_for_new_rows_does_not_hide_a_row_error()
    {
        await UpsertAsync(Make("u0", 1));
        await RaiseAsync("NEW.id NOT LIKE 'ok%'", "ZZ001");

        var error = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("bad", 1), Make("ok1", 1)));

        Assert.True(error.IsCertain);
        Assert.Empty(await UpsertAsync(Make("ok1", 1)));
    }

    [Fact]
    public async Task Required_column_without_a_value_is_not_a_row_error()
    {
        await UpsertAsync(Make("u0", 1));
        await QueryAsync("ALTER TABLE users ADD COLUMN tenant text NOT NULL DEFAULT 'x'; ALTER TABLE users ALTER COLUMN tenant DROP DEFAULT");

        var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => UpsertAsync(Make("u1", 1)));

        Assert.Contains("23502", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("half a pair \\ud800")]
    [InlineData("NUL \\0")]
    public async Task Invalid_UTF8_key_can_neither_be_committed_nor_parked(string escaped)
    {
        var key = escaped.Replace("\\ud800", "\ud800", StringComparison.Ordinal).Replace("\\0", "\0", StringComparison.Ordinal);

        var refused = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make(key, 1), Make("u1", 1)));
        await Assert.ThrowsAsync<RowsRefusedException>(() => Store.Parked.ParkAsync([new(Make(key, 1), "why")], Token));

        Assert.True(refused.IsCertain);
        Assert.Empty(await UpsertAsync(Make("u1", 1)));
    }

    [Fact]
    public async Task State_that_jsonb_cannot_hold_is_rejected_without_quoting_it()
    {
        var nul = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("u1", 1, 1, """{"displayName":"secret\u0000"}""")));
        var number = await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("u1", 1, 1, """{"createdAt":"secret"}""")));

        Assert.Contains("22P05", nul.Reason, StringComparison.Ordinal);
        Assert.Contains("22P02", number.Reason, StringComparison.Ordinal);
        Assert.All([nul, number], error => Assert.DoesNotContain("secret", error.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Key_with_NUL_is_a_row_error() =>
        await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(Make("a\0b", 1)));

    [Fact]
    public async Task Row_locked_by_another_session_is_named()
    {
        await UpsertAsync(Make("u1", 1));
        await using var blocker = new NpgsqlConnection(_connectionString);
        await blocker.OpenAsync(Token);
        await using var transaction = await blocker.BeginTransactionAsync(Token);
        await using (var command = new NpgsqlCommand("SELECT 1 FROM users FOR UPDATE", blocker, transaction))
            await command.ExecuteNonQueryAsync(Token);
        await using var store = new PostgresRowStore(_connectionString + ";Command Timeout=1");

        var held = await Assert.ThrowsAsync<RowsRefusedException>(() => store.UpsertAsync([Make("u1", 2), Make("u2", 1)], Token));
        Assert.Equal((false, "u1"), (held.IsCertain, Assert.Single(held.Keys!)));

        await transaction.RollbackAsync(Token);
        Assert.Empty(await store.UpsertAsync([Make("u1", 2)], Token));
    }

    [Fact]
    public async Task Table_locked_by_another_session_is_unavailable()
    {
        await using var blocker = new NpgsqlConnection(_connectionString);
        await blocker.OpenAsync(Token);
        await using var transaction = await blocker.BeginTransactionAsync(Token);
        await using (var command = new NpgsqlCommand("LOCK TABLE users", blocker, transaction))
            await command.ExecuteNonQueryAsync(Token);
        await using var store = new PostgresRowStore(_connectionString + ";Command Timeout=1");

        await Assert.ThrowsAsync<StorageUnavailableException>(() => store.UpsertAsync([Make("u1", 1)], Token));

        await transaction.RollbackAsync(Token);
        Assert.Empty(await store.UpsertAsync([Make("u1", 1)], Token));
    }

    [Fact]
    public async Task Server_without_free_connections_is_unavailable()
    {
        await QueryAsync("DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 0");
        var settings = new NpgsqlConnectionStringBuilder(_connectionString) { Username = "limited", Password = "limited" };
        await using var store = new PostgresRowStore(settings.ConnectionString);

        await Assert.ThrowsAsync<StorageUnavailableException>(() => store.ReadAsync("u1", Token));
    }

    protected override async Task CreateDatabaseAsync() => _connectionString = await postgres.Server.CreateDatabaseAsync();

    protected override IRowStore Open() => new PostgresRowStore(_connectionString);

    protected override IRowStore OpenUnreachable() =>
        new PostgresRowStore($"Host=127.0.0.1;Port={FreePorts.Next()};Database=actors;Username=actors;Password=secret");

    private Task RaiseAsync(string when, string state) => QueryAsync(
        $"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {when} THEN RAISE 'no' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse();
        """);

    protected override Task RefuseAsync(string text) =>
        QueryAsync($"ALTER TABLE users ADD CONSTRAINT refused CHECK (state::text NOT LIKE '%{text}%') NOT VALID");

    protected override Task RefuseNothingAsync() => QueryAsync("ALTER TABLE users DROP CONSTRAINT refused");

    protected override async Task<object?> QueryAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_connectionString);
        await connection.OpenAsync(Token);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Token);
    }
}
