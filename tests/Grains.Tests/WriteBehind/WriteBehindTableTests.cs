using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Silos that take keys from each other, over a real journal, cache and table.</summary>
[NeedsServers]
public sealed class WriteBehindTableTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private readonly string _prefix = $"table-{Guid.NewGuid():n}";
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _store.MigrateAsync(Token);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Write_adopted_from_the_journal_is_not_reported_as_lost()
    {
        var gate = new TaskCompletionSource();
        await using var first = Open(1);
        await using var second = Open(2);
        first.Store.Before = _ => gate.Task;
        var mine = (await first.OpenAsync("k")).Owner;
        var writing = first.Table.Begin(SiloBench.Make(mine, 1), Durability.Database).ReachAsync().AsTask();

        // The row is queued once it is journaled.
        await Eventually.IsTrueAsync(() => Task.FromResult(first.Table.Backlog.Rows == 1));

        // The second silo finds the journaled row, builds on it, and commits first.
        var theirs = await OpenedWithAsync(second, "k", version: 1);
        await second.Table.WriteAsync(SiloBench.Make(theirs, 2), Durability.Database);
        gate.SetResult();

        Assert.Equal(WriteOutcome.WrittenByNextOwner, (await writing).Outcome);
        Assert.Equal(2, (await _store.ReadAsync("k", Token))!.Version);
    }

    [Fact]
    public async Task Fenced_write_is_lost_and_leaves_no_trace()
    {
        await using var first = Open(1);
        await using var second = Open(2);
        var mine = (await first.OpenAsync("k")).Owner;
        var theirs = (await second.OpenAsync("k")).Owner;

        var lost = await first.Table.Begin(SiloBench.Make(mine, 1), Durability.Database).ReachAsync();

        Assert.Equal(WriteOutcome.NotWritten, lost.Outcome);
        Assert.Null(await _store.ReadAsync("k", Token));
        Assert.Equal(Durability.Journal, (await second.Table.WriteAsync(SiloBench.Make(theirs, 1), Durability.Journal)).Durability);
    }

    [Fact]
    public async Task Cached_copy_older_than_a_known_write_is_not_used()
    {
        await using var silo = Open(1);
        var owner = new Ownership("k", 1);
        await silo.Cache.FillAsync([SiloBench.Make(owner, 3)]);
        await _store.UpsertAsync([SiloBench.Make(owner, 4)], Token);

        Assert.Equal(3, await OpenAndReleaseAsync(atLeast: 0));
        Assert.Equal(3, await OpenAndReleaseAsync(atLeast: 3));
        Assert.Equal(4, await OpenAndReleaseAsync(atLeast: 4));

        async Task<long> OpenAndReleaseAsync(long atLeast)
        {
            var opened = await silo.OpenAsync("k", atLeast);
            Assert.True(await silo.Table.ReleaseAsync(opened.Owner));
            return opened.Row!.Version;
        }
    }

    [Fact]
    public async Task Cached_copy_is_not_used_after_an_unreleased_owner()
    {
        await using var silo = Open(1);
        var owner = (await silo.OpenAsync("k")).Owner;
        await silo.Cache.FillAsync([SiloBench.Make(owner, 3)]);

        // Simulates an owner that was partitioned from Redis.
        await _store.UpsertAsync([SiloBench.Make(owner, 4)], Token);

        Assert.Equal(4, (await silo.OpenAsync("k")).Row!.Version);
    }

    [Fact]
    public async Task Next_owner_finds_memory_writes_once_they_are_committed()
    {
        await using var first = Open(1);
        await using var second = Open(2);
        for (var i = 0; i < 100; i++)
        {
            var owner = (await first.OpenAsync($"k{i}")).Owner;
            await first.Cache.FillAsync([SiloBench.Make(owner, 1)]);
            await first.Table.WriteAsync(SiloBench.Make(owner, 2), Durability.Memory);
            await first.Table.EnsureCommittedAsync(owner.Key, 2, Token);
            Assert.True(await first.Table.UncacheAsync(owner.Key, 2));
            await first.Table.ReleaseAsync(owner);

            await OpenedWithAsync(second, owner.Key, version: 2);
        }
    }

    [Fact]
    public async Task Recovering_silo_flushes_the_rows_of_a_dead_silo()
    {
        const int Keys = 200;
        await using var second = Open(2);
        var gone = Open(1, new() { FlushInterval = Long, DrainTimeout = TimeSpan.Zero });
        await Task.WhenAll(Enumerable.Range(0, Keys).Select(async i =>
        {
            var owner = (await gone.OpenAsync($"k{i}")).Owner;
            for (var version = 1; version <= 3; version++) await gone.Table.WriteAsync(SiloBench.Make(owner, version), Durability.Journal);
        }));
        Assert.Equal(Keys, gone.Table.Backlog.Rows);

        // Killed: none of its rows reaches the table any more.
        gone.Store.Before = token => Task.Delay(Timeout.Infinite, token);
        await gone.DisposeAsync();

        var recovered = 0;
        for (var partition = 0; partition < Partition.Count; partition++)
            recovered += await second.Table.RecoverAsync(partition, silo => silo == gone.Silo.ToParsableString(), Token);

        Assert.Equal(Keys, recovered);
        await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => second.Table.EnsureCommittedAsync($"k{i}", 3, Token)));
        for (var i = 0; i < Keys; i++) Assert.Equal(3, (await _store.ReadAsync($"k{i}", Token))!.Version);
    }

    private static async Task<Ownership> OpenedWithAsync(SiloBench silo, string key, long version)
    {
        var opened = await silo.OpenAsync(key);
        Assert.Equal(version, opened.Row?.Version);
        return opened.Owner;
    }

    private SiloBench Open(int number, WriteBehindOptions? options = null) => new(redis.Open(_prefix), new FaultyStore(_store), number, options);
}
