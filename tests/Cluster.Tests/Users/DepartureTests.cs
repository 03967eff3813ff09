using Actors.Users;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;

namespace Actors.Cluster.Tests.Users;

/// <summary>
/// Users that are to leave their silo while calls wait in them for a database or a Redis that is away. With servers of their
/// own.
/// </summary>
public sealed class DepartureTests : IAsyncLifetime
{
    // Far longer than any of these calls may take.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(25);

    private readonly ServersFixture _servers = new();
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        await _servers.InitializeAsync();
        _cluster = await TestCluster.StartAsync(
            _servers, silos: 1, options => (options.CommitTimeout, options.JournalPatience) = (Patience, Patience),
            services: services => services.Configure<UserOptions>(users => users.MaxMemory = 8 << 20));
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _servers.DisposeAsync();
    }

    [Fact]
    public async Task Calls_that_wait_for_the_database_give_way_when_their_user_is_to_leave()
    {
        var user = _cluster.User("waited-for");
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        await _servers.Postgres.StopAsync();
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        WriteOptions durable = new() { Durability = Durability.Database, RequestId = "r" };
        Task[] waiting =
        [
            user.WaitForAsync(2, Durability.Database), user.FlushAsync(), user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, durable),
        ];
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.All(waiting, call => Assert.False(call.IsCompleted));

        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        // Answered by the next activation, which finds it all in the journal.
        var read = await user.GetAsync().WaitAsync(Limit);
        Assert.Equal(3, read!.Counters["n"]);
        foreach (var call in waiting) await Assert.ThrowsAsync<StorageUnavailableException>(() => call.WaitAsync(Limit));
        Assert.Equal(4, (await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }).WaitAsync(Limit)).Version);

        await _servers.Postgres.StartAsync();
        var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, durable);
        Assert.Equal((3, Durability.Database), (receipt.Version, receipt.Durability));
        await user.FlushAsync();
        Assert.Equal("4", await _cluster.QueryAsync<string>("SELECT state -> 'counters' ->> 'n' FROM users WHERE id = 'waited-for'"));
    }

    [Fact]
    public async Task A_call_that_waits_for_a_journal_that_has_just_gone_gives_way_when_its_user_is_to_leave()
    {
        await _cluster.User("another").UpdateAsync(new() { DisplayName = "there" });
        await _servers.Redis.StopAsync();
        var user = _cluster.User("not-in-memory");
        var waiting = user.GetAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.False(waiting.IsCompleted);

        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        await Assert.ThrowsAsync<StorageUnavailableException>(() => waiting.WaitAsync(Limit));
    }

    [Fact]
    public async Task With_all_memory_in_use_further_calls_are_refused_and_change_nothing()
    {
        const int Users = 2_000;
        await _cluster.User("before").UpdateAsync(new() { DisplayName = "small" });
        await _servers.Postgres.StopAsync();

        // None of these can leave: a call waits in each.
        var calls = Enumerable.Range(0, Users)
            .Select(i => _cluster.User($"u{i}").UpdateAsync(new() { DisplayName = "new" }, new() { Durability = Durability.Database }))
            .ToArray();
        var refused = await Assert.ThrowsAsync<OverloadedException>(async () => await await Task.WhenAny(calls.Where(call => !call.IsCompletedSuccessfully)));
        Assert.InRange(refused.RetryAfter, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));
        var status = (await _cluster.Cluster.GetStatusAsync()).Silos[0].Users;
        Assert.InRange(status.Bytes, 0, status.MaxBytes * 5 / 4);
        Assert.InRange(status.Refused, 1, long.MaxValue);

        await _servers.Postgres.StartAsync();
        var ends = await Task.WhenAll(calls.Select(async call =>
        {
            try
            {
                return (await call).Version;
            }
            catch (OverloadedException)
            {
                return 0;
            }
        }));
        Assert.Contains(1, ends);

        // Each is what its caller was told.
        Assert.Equal(ends.Count(version => version == 1), await _cluster.QueryAsync<long>("SELECT count(*) FROM users WHERE id LIKE 'u%'"));
        Assert.Equal(1, (await _cluster.User("before").GetAsync())!.Version);
        Assert.Equal(1, (await _cluster.User("after").UpdateAsync(new() { DisplayName = "there is room again" })).Version);
    }
}
