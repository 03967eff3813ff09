using Actors.Fixtures;
using Orleans.Core.Internal;

namespace Actors.Cluster.Tests;

/// <summary>Users that the database rejects.</summary>
public sealed class ParkingTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly WriteOptions ToDatabase = new() { Durability = Durability.Database };

    private TestCluster _cluster = null!;

    private IWriteBehindGrain WriteBehind => _cluster.Silos.Client.GetGrain<IWriteBehindGrain>("any");

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync(servers, silos: 2);
        await _cluster.QueryAsync<object>("ALTER TABLE users ADD CONSTRAINT adult CHECK ((state -> 'counters' ->> 'age')::bigint >= 18)");
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task User_rejected_by_the_database_stays_usable_and_is_stored_after_a_replay()
    {
        var minor = _cluster.User("minor");
        await minor.UpdateAsync(new() { DisplayName = "before" }, ToDatabase);

        var parked = await Assert.ThrowsAsync<WriteParkedException>(() => minor.UpdateAsync(Age(7), new() { Durability = Durability.Database, RequestId = "r" }));
        Assert.Equal(2, parked.Version);
        Assert.Contains("adult", parked.Reason, StringComparison.Ordinal);
        Assert.Equal(7, (await minor.GetAsync())!.Counters["age"]);

        // A retry gets the same error, or a receipt if it asks for less durability; it counts once.
        parked = await Assert.ThrowsAsync<WriteParkedException>(() => minor.UpdateAsync(Age(7), new() { Durability = Durability.Database, RequestId = "r" }));
        Assert.Equal(2, parked.Version);
        Assert.Equal(
            new WriteReceipt { Version = 2, Durability = Durability.Journal },
            await minor.UpdateAsync(Age(7), new() { Durability = Durability.Journal, RequestId = "r" }));
        await Assert.ThrowsAsync<WriteParkedException>(() => minor.FlushAsync());
        await Assert.ThrowsAsync<WriteParkedException>(() => minor.WaitForAsync(2, Durability.Database));
        await minor.WaitForAsync(2, Durability.Journal);
        await minor.WaitForAsync(1, Durability.Database);

        var receipt = await minor.UpdateAsync(new() { DisplayName = "journaled" });
        Assert.Equal(new WriteReceipt { Version = 3, Durability = Durability.Journal }, receipt);
        await Assert.ThrowsAsync<WriteParkedException>(() => minor.FlushAsync());

        // Each later owner, on any silo, reads the acknowledged state and reports the same.
        for (var i = 0; i < 4; i++)
        {
            await DeactivateAsync(minor);
            var read = (await minor.GetAsync())!;
            Assert.Equal((3, "journaled", 7), (read.Version, read.DisplayName, read.Counters["age"]));
            Assert.Equal(3, (await Assert.ThrowsAsync<WriteParkedException>(() => minor.FlushAsync())).Version);
        }

        Assert.Equal(1, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = 'minor'"));
        await Eventually.IsTrueAsync(async () => await _cluster.JournalLengthAsync("rows") == 0);
        var page = await WriteBehind.GetParkedAsync();
        Assert.Equal((1, "minor", 3), (page.Total, Assert.Single(page.Rows).Key, page.Rows[0].Version));
        Assert.Equal((0, 1), (await ReplayAsync()));

        await _cluster.QueryAsync<object>("ALTER TABLE users DROP CONSTRAINT adult");
        Assert.Equal((1, 0), await ReplayAsync());
        await minor.FlushAsync();
        await minor.WaitForAsync(3, Durability.Database);
        Assert.Equal(3, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = 'minor'"));
        Assert.Equal(0, (await WriteBehind.GetParkedAsync()).Total);
        await minor.UpdateAsync(new() { DisplayName = "after" }, ToDatabase);
        await DeactivateAsync(minor);
        Assert.Equal("after", (await minor.GetAsync())!.DisplayName);
    }

    [Fact]
    public async Task Rejected_row_does_not_affect_concurrent_writes_of_other_users()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            try
            {
                return (await _cluster.User($"u{i}").UpdateAsync(Age(i % 50 == 0 ? 7 : 30), ToDatabase)).Durability;
            }
            catch (WriteParkedException)
            {
                return Durability.Memory;
            }
        }));

        Assert.Equal(Enumerable.Range(0, 300).Select(i => i % 50 == 0 ? Durability.Memory : Durability.Database), outcomes);
        Assert.Equal(294, await _cluster.QueryAsync<long>("SELECT count(*) FROM users"));
        Assert.Equal(6, (await WriteBehind.GetParkedAsync()).Total);
        Assert.Equal(6, (await _cluster.Cluster.GetStatusAsync()).Silos.Sum(silo => silo.WriteBehind.ParkedRows));
    }

    [Fact]
    public async Task Later_version_accepted_by_the_database_unparks_the_user()
    {
        var user = _cluster.User("grown");
        await Assert.ThrowsAsync<WriteParkedException>(() => user.UpdateAsync(Age(17), ToDatabase));

        Assert.Equal(2, (await user.UpdateAsync(Age(1), ToDatabase)).Version);

        await user.FlushAsync();
        Assert.Equal(0, (await WriteBehind.GetParkedAsync()).Total);
        await DeactivateAsync(user);
        Assert.Equal(18, (await user.GetAsync())!.Counters["age"]);
    }

    [Fact]
    public async Task Parked_journal_write_without_Redis_gets_a_receipt_and_is_read_later()
    {
        foreach (var silo in (await _cluster.Cluster.GetStatusAsync()).Silos)
            await _cluster.Silos.Client.GetGrain<IRedisBreakerGrain>(silo.Silo).IsolateAsync("test");
        var user = _cluster.User("minor");

        Assert.Equal(new WriteReceipt { Version = 1, Durability = Durability.Journal }, await user.UpdateAsync(Age(7)));

        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Task.Delay(TimeSpan.FromMilliseconds(300));
        Assert.Equal(7, (await user.GetAsync())!.Counters["age"]);
        Assert.Equal(1, (await WriteBehind.GetParkedAsync()).Total);
    }

    private static UserPatch Age(long years) => new() { Increment = new() { ["age"] = years } };

    private async Task<(long Committed, long Refused)> ReplayAsync()
    {
        var result = await WriteBehind.ReplayAsync();
        return (result.Committed, result.Refused);
    }

    private async Task DeactivateAsync(IUserGrain user)
    {
        await user.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.IsTrueAsync(async () => !await _cluster.IsOwnedAsync(user.GetPrimaryKeyString()));
    }
}
