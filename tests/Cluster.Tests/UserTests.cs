using Actors.Fixtures;

namespace Actors.Cluster.Tests;

public sealed class UserTests(ServersFixture servers) : IAsyncLifetime
{
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await TestCluster.StartAsync(servers);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Unknown_user_is_null() => Assert.Null(await _cluster.User("nobody").GetAsync());

    [Fact]
    public async Task Write_is_read_back_and_reaches_the_database_on_flush()
    {
        var ada = _cluster.User("ada");
        var receipt = await ada.UpdateAsync(new UserPatch
        {
            DisplayName = "Ada",
            Email = "ada@example.org",
            Attributes = new() { ["plan"] = "pro" },
            Increment = new() { ["logins"] = 1 },
            AddTags = ["first", "second"],
        });

        Assert.Equal(new WriteReceipt { Version = 1, Durability = Durability.Journal }, receipt);
        var user = await ada.GetAsync();
        Assert.NotNull(user);
        Assert.Equal(("ada", 1, "Ada", "ada@example.org"), (user.Id, user.Version, user.DisplayName, user.Email));
        Assert.Equal("pro", user.Attributes["plan"]);
        Assert.Equal(1, user.Counters["logins"]);
        Assert.Equal(["first", "second"], user.Tags.Order());
        Assert.False(user.IsPossiblyStale);

        await ada.FlushAsync();
        Assert.Equal("Ada", await _cluster.QueryAsync<string>("SELECT display_name FROM users WHERE id = 'ada' AND version = 1"));
    }

    [Fact]
    public async Task Patch_merges_fields_and_null_or_empty_values_remove_them()
    {
        var user = _cluster.User("merge");
        await user.UpdateAsync(new() { DisplayName = "M", Attributes = new() { ["a"] = "1", ["b"] = "2" }, AddTags = ["x", "y"] });
        await user.UpdateAsync(new() { DisplayName = "", Attributes = new() { ["a"] = null, ["c"] = "3" }, RemoveTags = ["x"] });

        var merged = (await user.GetAsync())!;
        Assert.Null(merged.DisplayName);
        Assert.Equal(["b", "c"], merged.Attributes.Keys.Order());
        Assert.Equal(["y"], merged.Tags);
        Assert.Equal(2, merged.Version);
    }

    [Fact]
    public async Task Thousand_parallel_increments_add_exactly_a_thousand()
    {
        var user = _cluster.User("counted");
        var receipts = await Task.WhenAll(Enumerable.Range(0, 1000)
            .Select(_ => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));

        Assert.Equal(1000, (await user.GetAsync())!.Counters["n"]);
        Assert.Equal(Enumerable.Range(1, 1000).Select(n => (long)n), receipts.Select(receipt => receipt.Version).Order());
        await user.FlushAsync();
        Assert.Equal("1000", await _cluster.QueryAsync<string>("SELECT state -> 'counters' ->> 'n' FROM users WHERE id = 'counted'"));
    }

    [Fact]
    public async Task Expected_version_lets_exactly_one_of_two_racing_writers_succeed()
    {
        for (var round = 0; round < 20; round++)
        {
            var user = _cluster.User($"race-{round}");
            var outcomes = await Task.WhenAll(Attempt("one"), Attempt("two"));
            Assert.Equal(1, outcomes.Count(won => won));
            Assert.Equal(1, (await user.GetAsync())!.Version);

            async Task<bool> Attempt(string name)
            {
                try
                {
                    await user.UpdateAsync(new() { DisplayName = name }, new() { ExpectedVersion = 0 });
                    return true;
                }
                catch (VersionConflictException conflict)
                {
                    Assert.Equal((0, 1), (conflict.ExpectedVersion, conflict.CurrentVersion));
                    return false;
                }
            }
        }
    }

    [Fact]
    public async Task Repeated_request_id_changes_nothing_and_returns_the_first_receipt()
    {
        var user = _cluster.User("repeated");
        var options = new WriteOptions { RequestId = "r-1" };
        var patch = new UserPatch { Increment = new() { ["n"] = 1 } };
        var first = await user.UpdateAsync(patch, options);
        await user.UpdateAsync(patch);
        var repeats = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => user.UpdateAsync(patch, options)));

        Assert.All(repeats, repeat => Assert.Equal(first, repeat));
        Assert.Equal(2, (await user.GetAsync())!.Counters["n"]);
    }

    [Fact]
    public async Task Parallel_retries_of_one_request_id_count_once()
    {
        var user = _cluster.User("parallel-repeats");
        var receipts = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ =>
            user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { RequestId = "same" })));

        Assert.All(receipts, receipt => Assert.Equal(1, receipt.Version));
        Assert.Equal(1, (await user.GetAsync())!.Counters["n"]);
    }

    [Fact]
    public async Task Deleted_user_is_null_and_is_created_again_with_a_higher_version()
    {
        var user = _cluster.User("deleted");
        await user.UpdateAsync(new() { DisplayName = "before", Increment = new() { ["n"] = 5 } });
        var deleted = await user.DeleteAsync();
        Assert.Equal(2, deleted.Version);
        Assert.Null(await user.GetAsync());
        Assert.Equal(2, (await user.DeleteAsync()).Version);

        await user.FlushAsync();
        Assert.True(await _cluster.QueryAsync<bool>("SELECT deleted FROM users WHERE id = 'deleted'"));

        var again = await user.UpdateAsync(new() { DisplayName = "after" }, new() { ExpectedVersion = 0 });
        Assert.Equal(3, again.Version);
        Assert.Empty((await user.GetAsync())!.Counters);
    }

    [Fact]
    public async Task Receipt_reports_the_durability_that_was_reached()
    {
        var user = _cluster.User("durable");
        foreach (var durability in Enum.GetValues<Durability>())
        {
            var receipt = await user.UpdateAsync(new() { DisplayName = $"{durability}" }, new() { Durability = durability });
            Assert.Equal(durability, receipt.Durability);
        }

        Assert.Equal(3, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = 'durable'"));
    }

    [Fact]
    public async Task Wait_for_a_version_returns_once_it_has_the_durability()
    {
        var user = _cluster.User("awaited");
        var receipt = await user.UpdateAsync(new() { DisplayName = "x" }, new() { Durability = Durability.Memory });
        await user.WaitForAsync(receipt.Version, Durability.Database);
        Assert.Equal(1, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = 'awaited'"));
        var error = await Assert.ThrowsAsync<InvalidUserException>(() => user.WaitForAsync(2, Durability.Journal));
        Assert.Contains("Version 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Writes_to_one_user_are_coalesced_before_the_database()
    {
        var before = await FlushedAsync();
        var user = _cluster.User("coalesced");
        await Task.WhenAll(Enumerable.Range(0, 2000).Select(_ => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));
        await user.FlushAsync();
        Assert.InRange(await FlushedAsync() - before, 1, 200);
    }

    [Fact]
    public async Task Flushed_rows_leave_the_journal()
    {
        await Task.WhenAll(Enumerable.Range(0, 500).Select(i => _cluster.User($"trimmed-{i}").UpdateAsync(new() { DisplayName = "x" })));
        await Eventually.IsTrueAsync(async () => await _cluster.JournalLengthAsync("rows") == 0);
        Assert.Equal(500, await _cluster.QueryAsync<long>("SELECT count(*) FROM users WHERE id LIKE 'trimmed-%'"));
    }

    private async Task<long> FlushedAsync() =>
        (await _cluster.Cluster.GetStatusAsync()).Silos.Sum(silo => silo.WriteBehind.FlushedRows);
}
