using Actors.Contracts;
using Actors.Fixtures;
using Actors.Redis;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Rows that a killed silo journaled, and a new owner that cannot reach the journal at that time.</summary>
[NeedsServers]
public sealed class JournalGracePeriodTests(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly RedisServer _server = new();
    private PostgresRowStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _store = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _store.MigrateAsync(TestContext.Current.CancellationToken);

        // Killed before a flush.
        await using var former = Open(1, new() { DrainTimeout = TimeSpan.Zero });
        former.Store.Before = token => Task.Delay(Timeout.Infinite, token);
        var owner = (await former.OpenAsync("k")).Owner;
        await former.Table.WriteAsync(SiloBench.Make(owner, 1), Durability.Journal);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Slow_Redis_is_waited_for_and_nothing_is_lost()
    {
        await using var silo = Open(2, new() { JournalGracePeriod = TimeSpan.FromMinutes(1) });
        await silo.Redis.ConnectAsync();
        _server.Signal(Signals.Stop);
        var opening = silo.OpenAsync("k");
        await Eventually.IsTrueAsync(() => Task.FromResult(!silo.Redis.IsClosed(RedisRole.Journal)));

        // A call that comes while the circuit is already open.
        var second = silo.OpenAsync("other");
        _server.Signal(Signals.Continue);

        var opened = await opening;
        Assert.Equal((1L, false), (opened.Row?.Version ?? 0, opened.IsPossiblyStale));
        Assert.False((await second).IsPossiblyStale);
    }

    [Fact]
    public async Task Redis_absent_for_long_is_not_waited_for()
    {
        await using var silo = Open(2, new() { JournalGracePeriod = TimeSpan.FromMilliseconds(100) });
        await silo.Redis.ConnectAsync();
        _server.Kill();
        var opened = await silo.OpenAsync("k");
        Assert.Equal((null, true), (opened.Row, opened.IsPossiblyStale));
    }

    [Fact]
    public async Task Isolated_Redis_is_not_waited_for()
    {
        await using var silo = Open(2, new() { JournalGracePeriod = TimeSpan.FromMinutes(1) });
        silo.Redis.Isolate("test");
        var opened = await silo.OpenAsync("k").WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Equal((null, true), (opened.Row, opened.IsPossiblyStale));
    }

    private SiloBench Open(int number, WriteBehindOptions options) =>
        new(new RedisGateway(new RedisOptions { ConnectionString = _server.ConnectionString }), new FaultyStore(_store), number, options);
}
