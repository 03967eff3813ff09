using Actors.Fixtures;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Core.Internal;

namespace Actors.Cluster.Tests;

/// <summary>Users that move, and owners that are fenced.</summary>
public sealed class OwnershipTests(ServersFixture servers) : IAsyncLifetime
{
    private TestCluster _cluster = null!;

    // No automatic flush, so that reads come from the journal.
    public async ValueTask InitializeAsync() =>
        _cluster = await TestCluster.StartAsync(servers, silos: 2, options => options.FlushInterval = TimeSpan.FromMinutes(1));

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Theory]
    [InlineData(Durability.Memory)]
    [InlineData(Durability.Journal)]
    [InlineData(Durability.Database)]
    public async Task Reactivated_user_reads_its_last_write(Durability durability)
    {
        var user = _cluster.User($"moved-{durability}");
        for (var n = 1; n <= 5; n++)
        {
            await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = durability });
            await DeactivateAsync(user);
            var read = (await user.GetAsync())!;
            Assert.Equal((n, (long)n), (read.Version, read.Counters["n"]));
            Assert.False(read.IsPossiblyStale);
        }
    }

    [Fact]
    public async Task Request_id_is_remembered_across_activations_and_deletes()
    {
        var user = _cluster.User("remembering");
        var options = new WriteOptions { RequestId = "r" };
        var first = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, options);
        await DeactivateAsync(user);
        Assert.Equal(first.Version, (await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, options)).Version);
        await user.DeleteAsync();
        await user.FlushAsync();
        await DeactivateAsync(user);
        Assert.Equal(first.Version, (await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, options)).Version);
        Assert.Null(await user.GetAsync());
    }

    [Fact]
    public async Task Write_of_a_fenced_owner_is_retried_on_the_state_of_the_new_owner()
    {
        var user = _cluster.User("contested");
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });

        // A second owner claims the key of the activation and journals its own write.
        await _cluster.ClaimAndWriteAsync("contested", version: 2, """{"counters":{"n":10},"createdAt":1,"updatedAt":1}""");

        var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        Assert.Equal(3, receipt.Version);
        Assert.Equal(11, (await user.GetAsync())!.Counters["n"]);
        await user.FlushAsync();
        Assert.Equal("11", await _cluster.QueryAsync<string>("SELECT state -> 'counters' ->> 'n' FROM users WHERE id = 'contested'"));
    }

    [Fact]
    public async Task Repeatedly_fenced_owners_count_every_acknowledged_write_once()
    {
        const int Users = 4;
        const int Writes = 120;
        await using var redis = _cluster.OpenRedis();
        var journal = new Journal(redis, "S127.0.0.1:1:1", journaled: _ => { }, new WriteBehindCounters(), NullLogger.Instance);
        var users = Enumerable.Range(0, Users).Select(i => _cluster.User($"disturbed-{i}")).ToArray();
        var acknowledged = new long[Users];

        var writing = Task.WhenAll(users.Select(async (user, i) =>
        {
            // A few at a time, so that some are in flight whenever the owner is fenced.
            for (var n = 0; n < Writes; n += 8)
            {
                var written = await Task.WhenAll(Enumerable.Range(n, 8).Select(write => IncrementAsync(user, (Durability)(1 + (write % 2)))));
                acknowledged[i] += written.Count(done => done);
            }
        }));
        var random = new Random(1);
        while (!writing.IsCompleted)
        {
            await journal.ClaimAsync($"disturbed-{random.Next(Users)}");
            await Task.Delay(random.Next(15));
        }

        await writing;
        for (var i = 0; i < Users; i++)
        {
            Assert.Equal(acknowledged[i], (await users[i].GetAsync())!.Counters["n"]);
            await users[i].FlushAsync();
            Assert.Equal(
                $"{acknowledged[i]}",
                await _cluster.QueryAsync<string>("SELECT state -> 'counters' ->> 'n' FROM users WHERE id = $1", $"disturbed-{i}"));
        }
    }

    [Fact]
    public async Task Memory_write_ahead_of_a_rejected_write_does_not_make_that_count_twice()
    {
        var users = Enumerable.Range(0, 30).Select(i => _cluster.User($"overtaken-{i}")).ToArray();
        await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));
        await _cluster.DeleteJournalAsync();

        await Task.WhenAll(users.SelectMany(user => new[] { Durability.Journal, Durability.Memory, Durability.Journal, Durability.Memory }
            .Select(durability => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = durability }))));

        // Memory durability allows a lost write.
        foreach (var user in users) Assert.InRange((await user.GetAsync())!.Counters["n"], 3, 5);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("r")]
    public async Task Write_counts_once_if_another_owner_committed_the_same_version(string? requestId)
    {
        var id = $"met-{requestId}";
        var user = _cluster.User(id);
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = Durability.Database });

        // Simulates an owner that is partitioned from Redis.
        await _cluster.QueryAsync<string>("UPDATE users SET version = 2, epoch = 1 WHERE id = $1", id);

        var receipt = await user.UpdateAsync(
            new() { Increment = new() { ["n"] = 1 } }, new() { Durability = Durability.Database, RequestId = requestId });

        Assert.Equal(2, (await user.GetAsync())!.Counters["n"]);
        Assert.Equal(2, receipt.Version);
    }

    [Fact]
    public async Task Retries_of_a_fenced_write_get_the_receipt_of_the_stored_write()
    {
        for (var round = 0; round < 5; round++)
        {
            var user = _cluster.User($"contested-repeats-{round}");
            await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
            await _cluster.ClaimAndWriteAsync(
                user.GetPrimaryKeyString(), version: 2, """{"counters":{"n":10},"createdAt":1,"updatedAt":1}""");

            // The first is accepted as version 2 and rejected; duplicates that saw it accepted must not return a receipt.
            var receipts = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => user.UpdateAsync(
                new() { Increment = new() { ["n"] = 1 } },
                new() { RequestId = "r", Durability = (Durability)(i == 0 ? 1 : i % 3) })));

            Assert.All(receipts, receipt => Assert.Equal(3, receipt.Version));
            Assert.Equal(11, (await user.GetAsync())!.Counters["n"]);
        }
    }

    [Fact]
    public async Task Users_continue_from_memory_after_their_journal_was_emptied()
    {
        var user = _cluster.User("emptied");
        await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        await _cluster.DeleteJournalAsync();
        var receipt = await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } });
        Assert.Equal(2, receipt.Version);
        Assert.Equal(2, (await user.GetAsync())!.Counters["n"]);
    }

    [Fact]
    public async Task Users_with_an_emptied_journal_are_flushed_before_they_move()
    {
        var user = _cluster.User("emptied-and-moved");
        await user.UpdateAsync(new() { DisplayName = "kept" });
        await _cluster.DeleteJournalAsync();

        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        // Long before the flush interval.
        await Eventually.IsTrueAsync(
            async () => await _cluster.QueryAsync<long>("SELECT count(*) FROM users WHERE id = 'emptied-and-moved'") == 1,
            TimeSpan.FromSeconds(40));
        Assert.Equal("kept", (await user.GetAsync())!.DisplayName);
    }

    [Fact]
    public async Task Cached_copy_avoids_a_database_read()
    {
        var user = _cluster.User("cached");
        await user.UpdateAsync(new() { DisplayName = "one" });
        await user.FlushAsync();
        await Eventually.IsTrueAsync(async () => await _cluster.JournalLengthAsync("rows") == 0);

        await DeactivateAsync(user);
        await user.GetAsync();
        var before = await ReadsAsync();
        await DeactivateAsync(user);
        Assert.Equal("one", (await user.GetAsync())!.DisplayName);
        var after = await ReadsAsync();
        Assert.Equal(before.Redis.Hits + 1, after.Redis.Hits);
        Assert.Equal(before.Database, after.Database);
    }

    [Fact]
    public async Task Cached_copy_is_updated_on_flush()
    {
        var user = _cluster.User("followed");
        for (var n = 1; n <= 5; n++)
        {
            await user.UpdateAsync(new() { DisplayName = $"name {n}" });
            await user.FlushAsync();
            await Eventually.IsTrueAsync(async () => await _cluster.JournalLengthAsync("rows") == 0);
            await DeactivateAsync(user);
            Assert.Equal($"name {n}", (await user.GetAsync())!.DisplayName);
        }
    }

    private async Task<(LayerStatus Redis, LayerStatus Database)> ReadsAsync()
    {
        var silos = (await _cluster.Cluster.GetStatusAsync()).Silos;
        return (Sum(silo => silo.Cache.Redis), Sum(silo => silo.Cache.Database));

        LayerStatus Sum(Func<SiloReport, LayerStatus> layer) => new()
        {
            Hits = silos.Sum(silo => layer(silo).Hits),
            Misses = silos.Sum(silo => layer(silo).Misses),
        };
    }

    /// <summary>False if the key was claimed too often in a row; the write is then rejected and not stored.</summary>
    private static async Task<bool> IncrementAsync(IUserGrain user, Durability durability)
    {
        try
        {
            await user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { Durability = durability });
            return true;
        }
        catch (StorageUnavailableException)
        {
            return false;
        }
    }

    private async Task DeactivateAsync(IUserGrain user)
    {
        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.IsTrueAsync(async () => !await _cluster.IsOwnedAsync(user.GetPrimaryKeyString()));
    }
}
