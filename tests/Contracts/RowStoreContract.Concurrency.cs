using System.Diagnostics;
using System.Globalization;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

public abstract partial class RowStoreContract
{
    [Fact]
    public async Task Overlapping_batches_never_deadlock_and_keep_the_highest_version()
    {
        const int Writers = 6;
        const int Rounds = 12;
        const int Keys = 400;
        var highest = new long[Keys];
        var stores = Enumerable.Range(0, Writers).Select(i => i % 2 == 0 ? Store : Open()).ToArray();

        await Task.WhenAll(stores.Select((store, writer) => Task.Run(async () =>
        {
            var random = new Random(writer);
            for (var round = 0; round < Rounds; round++)
            {
                var rows = Sorted(Enumerable.Range(0, Keys).Where(_ => random.Next(3) > 0).Select(i =>
                {
                    var version = random.NextInt64(1, 1_000_000);
                    InterlockedMax(ref highest[i], version);
                    return Make($"key-{i}", version, writer);
                }));
                await store.UpsertAsync(rows, Token);
            }
        })));

        for (var i = 0; i < Keys; i++)
            Assert.Equal(highest[i], (await ReadAsync($"key-{i}")).Version);
        foreach (var store in stores.Where(store => store != Store))
            await CloseAsync(store);
    }

    [Fact]
    public async Task Exactly_one_of_two_owners_wins_each_row()
    {
        const int Keys = 500;
        Row[] Batch(long epoch) => Sorted(Enumerable.Range(0, Keys).Select(i => Make($"key-{i}", 1, epoch)));

        var refused = await Task.WhenAll(
            Enumerable.Range(1, 4).Select(epoch => Task.Run(() => Store.UpsertAsync(Batch(epoch), Token))));

        Assert.Equal(3 * Keys, refused.Sum(rows => rows.Count));
        for (var i = 0; i < Keys; i++)
        {
            var winner = (await ReadAsync($"key-{i}")).Epoch;
            Assert.DoesNotContain(refused[winner - 1], row => row.Key == $"key-{i}");
        }
    }

    [Fact]
    public async Task Readers_never_see_a_partly_replaced_row()
    {
        await UpsertAsync(Make("u1", 1));
        var writing = Task.Run(async () =>
        {
            for (var version = 2; version <= 200; version++)
                await Store.UpsertAsync([Make("u1", version)], Token);
        });

        long last = 0;
        do
        {
            var row = await ReadAsync("u1");
            Assert.True(row.Version >= last, $"version {row.Version} was read after version {last}");
            await Task.Yield();
            last = row.Version;
            Assert.Contains($"Name {last}\"", System.Text.Encoding.UTF8.GetString(row.State.Span), StringComparison.Ordinal);
        }
        while (!writing.IsCompleted);
        await writing;
    }

    [Fact]
    public async Task Four_silos_migrate_an_empty_database_concurrently()
    {
        await DropDatabaseAsync();
        await CreateDatabaseAsync();
        var stores = Enumerable.Range(0, 4).Select(_ => Open()).ToArray();

        await Task.WhenAll(stores.Select(store => Task.Run(() => store.MigrateAsync(Token))));

        foreach (var (store, i) in stores.Select((store, i) => (store, i)))
            Assert.Empty(await store.UpsertAsync([Make($"u{i}", 1)], Token));
        Assert.Equal(1L, Convert.ToInt64(
            await QueryAsync("SELECT count(*) FROM schemaversions WHERE scriptname LIKE '%0001_users.sql'"), CultureInfo.InvariantCulture));
        foreach (var store in stores)
            await CloseAsync(store);
    }

    [Fact]
    public async Task Repeated_migration_keeps_existing_data()
    {
        await UpsertAsync(Make("u1", 4));
        var other = Open();

        await Task.WhenAll(other.MigrateAsync(Token), Store.MigrateAsync(Token));

        await AssertStoredAsync(Make("u1", 4));
        await CloseAsync(other);
    }

    [Fact]
    public async Task Unreachable_database_is_reported_within_a_bounded_time()
    {
        var store = OpenUnreachable();
        var clock = Stopwatch.StartNew();

        foreach (var call in (Func<Task>[])
            [
                () => store.MigrateAsync(Token),
                () => store.ReadAsync("u1", Token),
                () => store.UpsertAsync([Make("u1", 1)], Token),
            ])
        {
            var error = await Assert.ThrowsAsync<StorageUnavailableException>(call);
            Assert.Equal("the database", error.Storage);
            Assert.Contains(store.Description, error.Message, StringComparison.Ordinal);
        }

        Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"took {clock.Elapsed}");
        await CloseAsync(store);
    }

    [Fact]
    public async Task Cancelled_call_throws_and_the_store_keeps_working()
    {
        using var source = new CancellationTokenSource();
        await source.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.UpsertAsync([Make("u1", 1)], source.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.ReadAsync("u1", source.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.MigrateAsync(source.Token));

        Assert.Empty(await UpsertAsync(Make("u1", 1)));
        await AssertStoredAsync(Make("u1", 1));
    }

    [Fact]
    public async Task Cancelled_calls_leave_whole_batches_or_none()
    {
        const int Keys = 2_000;
        for (var version = 1; version <= 10; version++)
        {
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(3 * version));
            try
            {
                await Store.UpsertAsync(Sorted(Enumerable.Range(0, Keys).Select(i => Make($"key-{i}", version))), source.Token);
            }
            catch (OperationCanceledException)
            {
            }

            Assert.Contains(await CountAsync(), (long[])[0, Keys]);
            Assert.Contains(
                Convert.ToInt64(await QueryAsync("SELECT count(DISTINCT version) FROM users"), CultureInfo.InvariantCulture), (long[])[0, 1]);
        }

        Assert.Empty(await UpsertAsync(Enumerable.Range(0, Keys).Select(i => Make($"key-{i}", 100))));
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (var seen = Volatile.Read(ref target); value > seen;)
        {
            var before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }
}
