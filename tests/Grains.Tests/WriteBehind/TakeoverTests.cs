using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.Redis;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Writes of one owner in flight while another writes the same key.</summary>
[NeedsServers]
public sealed class TakeoverTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private readonly string _prefix = $"takeover-{Guid.NewGuid():n}";
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _store.MigrateAsync(Token);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Late_commit_of_an_earlier_owner_trims_no_acknowledged_row()
    {
        var gate = new TaskCompletionSource();
        await using var second = Open(2, new() { FlushInterval = Long, DrainTimeout = TimeSpan.Zero });
        await using var third = Open(3);
        var first = Open(1);
        var mine = (await first.OpenAsync("k")).Owner;
        await first.Table.WriteAsync(SiloBench.Make(mine, 1), Durability.Database);

        // Without Redis and the database the write can only be queued, and it is not acknowledged.
        first.Store.Before = gate.Task.WaitAsync;
        first.Redis.Isolate("test");
        var late = first.Table.WriteAsync(SiloBench.Make(mine, 2), Durability.Journal);
        await Eventually.IsTrueAsync(() => Task.FromResult(first.Table.Backlog.Rows == 1));
        first.Redis.Close("test");
        await first.Table.ReleaseAsync(mine);

        var theirs = await OpenedWithAsync(second, "k", version: 1);
        var receipt = await second.Table.WriteAsync(SiloBench.Make(theirs, 2), Durability.Journal);
        Assert.Equal(Durability.Journal, receipt.Durability);
        gate.SetResult();
        await late;
        await first.DisposeAsync();

        // Both owners wrote version 2; the acknowledged state continues as a further version.
        var row = (await third.OpenAsync("k")).Row!;
        Assert.Equal(SiloBench.Make(theirs, 2).State.ToArray(), row.State.ToArray());
        Assert.Equal(3, row.Version);
        await third.Table.EnsureCommittedAsync("k", 3, Token);
        Assert.Equal(3, (await _store.ReadAsync("k", Token))!.Version);
    }

    [Fact]
    public async Task Memory_writes_of_a_former_owner_do_not_reach_the_database()
    {
        await using var first = Open(1);
        await using var second = Open(2, new() { FlushInterval = Long, DrainTimeout = TimeSpan.Zero });
        await using var third = Open(3);
        var mine = (await first.OpenAsync("k")).Owner;
        await first.Table.WriteAsync(SiloBench.Make(mine, 1), Durability.Database);
        var theirs = await OpenedWithAsync(second, "k", version: 1);

        for (var version = 2; version <= 4; version++)
            Assert.Equal(WriteOutcome.NotWritten, (await first.Table.Begin(SiloBench.Make(mine, version), Durability.Memory).ReachAsync()).Outcome);
        await second.Table.WriteAsync(SiloBench.Make(theirs, 2), Durability.Journal);
        await first.Table.DrainAsync();

        // The order matters: opening the key flushes its journaled row.
        Assert.Equal(1, (await _store.ReadAsync("k", Token))!.Version);
        Assert.Equal(SiloBench.Make(theirs, 2).State.ToArray(), (await third.OpenAsync("k")).Row!.State.ToArray());
    }

    [Fact]
    public async Task Key_is_not_released_while_unflushed_rows_are_missing_in_the_journal()
    {
        var gate = new TaskCompletionSource();
        await using var silo = Open(1);
        await using var other = Open(2);
        var owner = (await silo.OpenAsync("k")).Owner;
        silo.Store.Before = gate.Task.WaitAsync;
        await silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal);

        // Simulates a failover that lost recent writes: the claim was replicated, the row was not.
        await silo.Redis.EvaluateAsync(
            RedisRole.Journal, "return redis.call('DEL', KEYS[1])", [$"{_prefix}:journal:{Partition.Tag(Partition.Of("k"))}:rows"], []);

        Assert.False(await silo.Table.ReleaseAsync(owner));
        gate.SetResult();
        await silo.Table.EnsureCommittedAsync("k", 1, Token);
        Assert.True(await silo.Table.ReleaseAsync(owner));
        await OpenedWithAsync(other, "k", version: 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Journaled_row_is_trimmed_if_a_later_one_was_queued_without_the_journal(bool isBeingCommitted)
    {
        var gate = new TaskCompletionSource();
        await using var second = Open(2, new() { FlushInterval = isBeingCommitted ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromSeconds(1) });
        var first = Open(1, new() { FlushInterval = Long, DrainTimeout = TimeSpan.Zero });
        var mine = (await first.OpenAsync("k")).Owner;
        await first.Table.WriteAsync(SiloBench.Make(mine, 1), Durability.Journal);
        await first.DisposeAsync();

        second.Store.Before = gate.Task.WaitAsync;
        second.Redis.Isolate("test");
        var without = (await second.OpenAsync("k")).Owner;
        await second.Table.WriteAsync(SiloBench.Make(without, 2) with { MayBeJournaled = false }, Durability.Memory);
        if (isBeingCommitted) await Eventually.IsTrueAsync(() => Task.FromResult(second.Store.Batches.Count == 1));
        second.Redis.Close("test");
        await OpenedWithAsync(second, "k", version: 2);
        gate.SetResult();
        await second.Table.EnsureCommittedAsync("k", 2, Token);

        await Eventually.IsTrueAsync(async () => (long)await second.Redis.EvaluateAsync(
            RedisRole.Journal, "return redis.call('HLEN', KEYS[1])", [$"{_prefix}:journal:{Partition.Tag(Partition.Of("k"))}:rows"], []) == 0);
    }

    [Fact]
    public async Task Row_committed_during_a_database_read_is_found_without_the_journal()
    {
        var gate = new TaskCompletionSource();
        await using var silo = Open(1);
        var owner = (await silo.OpenAsync("k")).Owner;
        await silo.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Database);
        silo.Store.Before = gate.Task.WaitAsync;
        await silo.Table.WriteAsync(SiloBench.Make(owner, 2), Durability.Journal);
        silo.Store.AfterRead = async () =>
        {
            gate.TrySetResult();
            await Eventually.IsTrueAsync(() => Task.FromResult(silo.Table.Backlog.Rows == 0));
        };
        silo.Redis.Isolate("test");

        await OpenedWithAsync(silo, "k", version: 2);
    }

    private static async Task<Ownership> OpenedWithAsync(SiloBench silo, string key, long version)
    {
        var opened = await silo.OpenAsync(key);
        Assert.Equal(version, opened.Row?.Version);
        return opened.Owner;
    }

    private SiloBench Open(int number, WriteBehindOptions? options = null) => new(redis.Open(_prefix), new FaultyStore(_store), number, options);
}
