using Actors.Fixtures;
using Actors.Users;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;

namespace Actors.Cluster.Tests.Users;

/// <summary>
/// Users that must deactivate while their calls wait for a database or a Redis that is down. Uses its own servers.
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
            _servers, silos: 1, options => (options.CommitTimeout, options.JournalGracePeriod) = (Patience, Patience),
            services: services => services.Configure<UserOptions>(users => users.MaxMemory = 8 << 20));
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _servers.DisposeAsync();
    }

    [Fact]
    public async Task Calls_waiting_for_the_database_end_when_their_user_deactivates()
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

        // The next activation answers, with all data from the journal.
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
    public async Task Call_waiting_for_a_silent_journal_ends_when_its_user_deactivates()
    {
        await _cluster.User("another").UpdateAsync(new() { DisplayName = "there" });
        _servers.Redis.Signal(Signals.Stop);
        var user = _cluster.User("not-in-memory");
        var waiting = user.GetAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.False(waiting.IsCompleted);

        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        await Assert.ThrowsAsync<StorageUnavailableException>(() => waiting.WaitAsync(Limit));
        _servers.Redis.Signal(Signals.Continue);
    }

    [Fact]
    public async Task Cancelled_wait_ends_during_a_write_and_the_user_still_answers()
    {
        var user = _cluster.User("called-off");
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        await _servers.Postgres.StopAsync();
        var writing = user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = Durability.Database });
        await Task.Delay(TimeSpan.FromMilliseconds(500));

        using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => user.WaitForAsync(2, Durability.Journal, limit.Token).WaitAsync(Limit));

        Assert.NotNull(await user.GetAsync().WaitAsync(Limit));
        await _servers.Postgres.StartAsync();
        Assert.Equal(2, (await writing.WaitAsync(Patience)).Version);
    }

    [Fact]
    public async Task Calls_are_rejected_without_effect_when_memory_is_full()
    {
        const int Users = 600;
        await Task.WhenAll(Enumerable.Range(0, Users).Select(i => User(i).UpdateAsync(new() { DisplayName = "small" })));
        await _servers.Postgres.StopAsync();

        // None of these can deactivate, because each has a waiting call; together they exceed the memory limit.
        UserPatch large = new() { Attributes = Enumerable.Range(0, 4).ToDictionary(i => $"a{i}", string? (_) => new string('x', 4000)) };
        var calls = Enumerable.Range(0, Users).Select(i => EndAsync(User(i).UpdateAsync(large, new() { Durability = Durability.Database }))).ToArray();
        await Eventually.IsTrueAsync(async () => (await StatusAsync()).Refused > 0, Limit);
        await Eventually.IsTrueAsync(() => Task.FromResult(Array.Exists(calls, call => call.IsCompleted)), Limit);
        var status = await StatusAsync();

        // Waiting activations already exist and are added: at most a sixteenth more, and those about to end.
        Assert.InRange(status.Bytes, status.MaxBytes / 2, status.MaxBytes / 8 * 9);

        await _servers.Postgres.StartAsync();
        var ends = await Task.WhenAll(calls);
        Assert.InRange(ends.Count(isWritten => !isWritten), 1, Users - 1);

        // The outcome of each write matches its response, and memory is free again.
        await Eventually.IsTrueAsync(async () => await _cluster.QueryAsync<long>("SELECT count(*) FROM users WHERE version = 2") == ends.Count(isWritten => isWritten), Limit);
        for (var i = 0; i < Users; i++) Assert.Equal(ends[i] ? 2 : 1, (await User(i).GetAsync())!.Version);
        Assert.Equal(1, (await _cluster.User("after").UpdateAsync(large)).Version);
    }

    private IUserGrain User(int i) => _cluster.User($"u{i}");

    private async Task<ActiveUsersStatus> StatusAsync() => (await _cluster.Cluster.GetStatusAsync()).Silos[0].Users;

    /// <summary>True if the write succeeded, false if it was rejected; any other result fails the test.</summary>
    private static async Task<bool> EndAsync(Task<WriteReceipt> writing)
    {
        try
        {
            return (await writing).Version == 2;
        }
        catch (OverloadedException refused)
        {
            Assert.InRange(refused.RetryAfter, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));
            return false;
        }
        catch (StorageUnavailableException error) when (!error.MayHaveTakenEffect)
        {
            // The user had left memory already, and cannot be loaded without the database.
            return false;
        }
    }
}
