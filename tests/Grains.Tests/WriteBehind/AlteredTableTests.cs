using System.Text;
using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;
using Npgsql;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Tables that are altered, and rights that are revoked, while a silo runs.</summary>
[NeedsServers]
public sealed class AlteredTableTests(PostgresFixture postgres) : IAsyncLifetime
{
    private string _admin = "";
    private NpgsqlConnectionStringBuilder _role = null!;
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _admin = await postgres.Server.CreateDatabaseAsync();
        _role = new(_admin) { Username = $"role_{Guid.NewGuid():n}", Password = "any" };
        await QueryAsync($"CREATE ROLE {_role.Username} LOGIN PASSWORD '{_role.Password}'; GRANT CREATE ON SCHEMA public TO {_role.Username}");
        _store = new PostgresRowStore(_role.ConnectionString);
        await _store.MigrateAsync(Token);

        // With one more row the store can tell a table that rejects every row from one that rejects some.
        Assert.Empty(await _store.UpsertAsync([new Row("b", 1, 1, "{}"u8.ToArray())], Token));

        // More than once, so that the statements are prepared.
        for (var version = 1; version <= 4; version++) await WriteAndReadAsync(version);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Theory]
    [InlineData("ALTER TABLE users RENAME COLUMN state TO other", "state", "ALTER TABLE users RENAME COLUMN other TO state")]
    [InlineData("ALTER TABLE users ALTER COLUMN version TYPE text", "", "ALTER TABLE users ALTER COLUMN version TYPE bigint USING version::bigint")]
    [InlineData("REVOKE SELECT ON users FROM {role}", "permission denied for table users", "GRANT SELECT ON users TO {role}")]
    [InlineData("REVOKE ALL ON parked FROM {role}", "permission denied for table parked", "GRANT ALL ON parked TO {role}")]
    [InlineData("ALTER TABLE users RENAME TO moved", "users", "ALTER TABLE moved RENAME TO users")]
    public async Task Read_fails_as_unavailable_with_the_cause_and_recovers_once_fixed(string alter, string cause, string mend)
    {
        await QueryAsync(alter.Replace("{role}", _role.Username, StringComparison.Ordinal));
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => _store.ReadAsync(["a", "b"], Token));
            Assert.Contains(cause, error.Message, StringComparison.Ordinal);
            Assert.Contains(_store.Description, error.Message, StringComparison.Ordinal);
        }

        await QueryAsync(mend.Replace("{role}", _role.Username, StringComparison.Ordinal));
        await WriteAndReadAsync(version: 5);
    }

    [Theory]
    [InlineData("REVOKE INSERT ON users FROM {role}", "permission denied for table users", "GRANT INSERT ON users TO {role}")]
    [InlineData("ALTER TABLE users RENAME COLUMN epoch TO other", "epoch", "ALTER TABLE users RENAME COLUMN other TO epoch")]
    public async Task Write_fails_as_unavailable_with_the_cause_and_recovers_once_fixed(string alter, string cause, string mend)
    {
        await QueryAsync(alter.Replace("{role}", _role.Username, StringComparison.Ordinal));
        var error = await Assert.ThrowsAsync<StorageUnavailableException>(() => _store.UpsertAsync([Row(5)], Token));
        Assert.Contains(cause, error.Message, StringComparison.Ordinal);

        await QueryAsync(mend.Replace("{role}", _role.Username, StringComparison.Ordinal));
        await WriteAndReadAsync(version: 5);
    }

    [Theory]
    [InlineData("ALTER TABLE users ALTER COLUMN id TYPE varchar(512)")]
    [InlineData("ALTER TABLE users ADD COLUMN tenant text")]
    public async Task Table_with_a_compatible_column_type_is_used(string alter)
    {
        await QueryAsync(alter);
        for (var version = 5; version <= 8; version++) await WriteAndReadAsync(version);
    }

    private static Row Row(long version) => new("a", version, 1, Encoding.UTF8.GetBytes($$"""{"n": {{version}}}"""));

    private async Task WriteAndReadAsync(long version)
    {
        Assert.Empty(await _store.UpsertAsync([Row(version)], Token));
        Assert.Equal(version, Assert.Single(await _store.ReadAsync(["a"], Token)).Version);
        Assert.Equal(0, await _store.Parked.CountAsync(Token));
    }

    private async Task QueryAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_admin);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Token);
    }
}
