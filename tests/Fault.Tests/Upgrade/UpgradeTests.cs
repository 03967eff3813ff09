using System.Text.Json;
using System.Text.Json.Nodes;
using Actors.Recordings;

namespace Actors.Fault.Tests.Upgrade;

/// <summary>All that a killed silo of an earlier version had acknowledged is taken over: journaled rows, parked rows, limits.</summary>
public sealed class UpgradeTests : IClassFixture<RecordedCluster>
{
    private const int AtOnce = 32;

    // An owner may reserve a hundredth of a limit; a killed one leaves it behind, charged.
    private const int ReservedShare = 100;
    private const int OftenUsed = 1000;

    private readonly RecordedCluster _cluster;

    public UpgradeTests(RecordedCluster cluster)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libfaketime works on Linux only.");
        _cluster = cluster;
    }

    [Fact]
    public void Unflushed_rows_of_an_earlier_version_reach_the_table_without_a_call()
    {
        Assert.True(_cluster.Ledger.Users.Count(user => user.Place is Place.Journal or Place.Released) > 1000);
        Assert.All(_cluster.Ledger.Users.Where(user => user.Place != Place.Parked), user => AssertStored(user, _cluster.Table));
    }

    [Fact]
    public async Task Users_of_an_earlier_version_are_read_and_changed_as_acknowledged() =>
        await Parallel.ForEachAsync(_cluster.Ledger.Users, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (user, _) =>
        {
            var grain = _cluster.Actors.User(user.Id);
            foreach (var (request, version) in user.Requests)
            {
                var receipt = await grain.UpdateAsync(new() { DisplayName = "repeated" }, new() { RequestId = request }, default);
                Assert.Equal(version, receipt.Version);
            }

            var read = await grain.GetAsync(default);
            if (read is not null) Assert.Equal(user.Version, read.Version);
            AssertSame(user.State, Ledger.StateOf(read));
            if (user.Place != Place.Parked) Assert.Equal(user.Version + 1, (await grain.UpdateAsync(new() { DisplayName = "changed" }, null, default)).Version);
        });

    [Fact]
    public async Task Limits_of_an_earlier_version_are_not_forgotten()
    {
        Assert.Contains(_cluster.Ledger.Clients, client => client.Granted >= OftenUsed);
        foreach (var client in _cluster.Ledger.Clients)
        {
            var limiter = _cluster.Actors.RateLimiter(client.Id);
            foreach (var policy in client.Policies)
                Assert.Equal(JsonSerializer.Serialize(policy), JsonSerializer.Serialize(await limiter.GetPolicyAsync(policy.Name)));
            foreach (var grant in client.Grants)
            {
                // Also if the window is full: it was granted before.
                var repeated = await limiter.AcquireAsync(new() { Permits = grant.Permits, RequestId = grant.RequestId });
                Assert.True(repeated.IsAllowed, $"{client.Id}: {repeated}");
                Assert.Equal(grant.DecidedAt, repeated.DecidedAt);
            }

            var limit = client.Policies[0].Windows[0].Limit;
            var reserved = client.Granted < OftenUsed ? 0 : limit / ReservedShare;
            var peeked = await limiter.PeekAsync();
            var free = peeked.IsAllowed ? peeked.Remaining + 1 : 0;
            Assert.InRange(free, limit - client.Granted - reserved, limit - client.Granted);
            if (client.Granted == 0) continue;
            if (free > 0) Assert.True((await limiter.AcquireAsync(new() { Permits = free })).IsAllowed, client.Id);
            Assert.False((await limiter.AcquireAsync(new())).IsAllowed, client.Id);
        }
    }

    [Fact]
    public async Task Rows_that_an_earlier_version_parked_are_listed_and_replayed()
    {
        var parked = _cluster.Ledger.Users.Where(user => user.Place == Place.Parked).ToDictionary(user => user.Id);
        var page = await _cluster.Actors.WriteBehind.GetParkedAsync();
        Assert.Equal(parked.Count, page.Total);
        Assert.All(page.Rows, row =>
        {
            Assert.Equal(parked[row.Key].Version, row.Version);
            Assert.Contains("not_refused", row.Reason, StringComparison.Ordinal);
        });

        await _cluster.TakeAllAsync();
        Assert.Equal(parked.Count, (await _cluster.Actors.WriteBehind.ReplayAsync()).Committed);
        var table = await _cluster.RowsAsync("users");
        Assert.All(parked.Values, user => AssertStored(user, table));
        Assert.Empty(await _cluster.RowsAsync("parked"));
    }

    private static void AssertStored(RecordedUser expected, IReadOnlyDictionary<string, StoredUser> table)
    {
        Assert.True(table.TryGetValue(expected.Id, out var row), $"{expected.Id} is missing");
        Assert.Equal(expected.Version, row.Version);
        AssertSame(expected.State, row.State);
    }

    private static void AssertSame(JsonNode? expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(expected, actual), $"Expected {expected?.ToJsonString()}, was {actual?.ToJsonString()}");
}
