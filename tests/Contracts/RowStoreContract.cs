using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

/// <summary>The contract of every <see cref="IRowStore"/>. Each test has its own database.</summary>
public abstract partial class RowStoreContract : IAsyncLifetime
{
    /// <summary>The store under test, migrated.</summary>
    protected IRowStore Store { get; private set; } = null!;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await CreateDatabaseAsync();
        Store = Open();
        await Store.MigrateAsync(Token);
    }

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await CloseAsync(Store);
        await DropDatabaseAsync();
    }

    /// <summary>Creates an empty database without a schema.</summary>
    protected abstract Task CreateDatabaseAsync();

    /// <summary>Opens another store over the database of this test.</summary>
    protected abstract IRowStore Open();

    /// <summary>Opens a store over an unreachable database.</summary>
    protected abstract IRowStore OpenUnreachable();

    /// <summary>Runs a query of one value outside the store.</summary>
    protected abstract Task<object?> QueryAsync(string sql);

    /// <summary>Makes the table reject rows whose state contains this text, until <see cref="RefuseNothingAsync"/>.</summary>
    protected abstract Task RefuseAsync(string text);

    protected abstract Task RefuseNothingAsync();

    /// <summary>Removes the database of <see cref="CreateDatabaseAsync"/>.</summary>
    protected virtual ValueTask DropDatabaseAsync() => ValueTask.CompletedTask;

    protected static async ValueTask CloseAsync(IRowStore? store)
    {
        if (store is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
    }

    protected static Row Make(string key, long version, long epoch = 1, string? state = null) =>
        new(key, version, epoch, Encoding.UTF8.GetBytes(state ?? State(version)));

    protected static string State(long version) =>
        $$"""{"displayName":"Name {{version}}","createdAt":1700000000000,"updatedAt":{{1700000000000 + version}}}""";

    protected static Row[] Sorted(IEnumerable<Row> rows) => [.. rows.OrderBy(row => row.Key, StringComparer.Ordinal)];

    protected async Task<IReadOnlyList<FencedRow>> UpsertAsync(params IEnumerable<Row> rows) =>
        await Store.UpsertAsync(Sorted(rows), Token);

    protected async Task<Row> ReadAsync(string key)
    {
        var row = await Store.ReadAsync(key, Token);
        Assert.NotNull(row);
        return row;
    }

    protected async Task AssertStoredAsync(Row expected)
    {
        var stored = await ReadAsync(expected.Key);
        Assert.Equal((expected.Key, expected.Version, expected.Epoch), (stored.Key, stored.Version, stored.Epoch));

        // A database may normalize the JSON that it stores.
        Assert.True(
            JsonNode.DeepEquals(JsonNode.Parse(expected.State.Span), JsonNode.Parse(stored.State.Span)),
            $"{Encoding.UTF8.GetString(stored.State.Span)} is not {Encoding.UTF8.GetString(expected.State.Span)}");
    }

    protected async Task<long> CountAsync() =>
        Convert.ToInt64(await QueryAsync("SELECT count(*) FROM users"), CultureInfo.InvariantCulture);
}
