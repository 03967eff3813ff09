using System.Text;
using Actors.Contracts;
using Actors.Core;
using Actors.Fixtures;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>After a commit the cached copies are brought up to date and the journal lets go of the rows.</summary>
[NeedsServers]
public sealed class FlushSettlementTests : IAsyncDisposable
{
    private const int MaxPostponed = 2;

    private static readonly Dictionary<string, string> NoneParked = [];

    private readonly FakeTimeProvider _clock = new();
    private readonly RedisGateway _gateway;
    private readonly RowCache _cache;
    private readonly Journal _journal;
    private readonly FlushSettlement _settlement;

    public FlushSettlementTests(RedisFixture redis)
    {
        _gateway = redis.Open();
        _cache = new RowCache(_gateway, new PartitionedSilos(new NoPeers(), NullLogger<PartitionedSilos>.Instance), Options.Create(new CacheOptions()));
        _journal = new Journal(_gateway, "silo", journaled: _ => { }, new WriteBehindCounters(), NullLogger.Instance);
        _settlement = new FlushSettlement(_journal, _cache, MaxPostponed, _clock, NullLogger.Instance);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task Committed_row_becomes_the_copy_and_leaves_the_journal()
    {
        var row = await JournaledAsync("k", 2);
        await SettleAsync([row]);
        Assert.Equal(2, (await _cache.ReadAsync("k"))?.Version);
        Assert.Null((await _journal.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Row_that_was_not_journaled_or_cached_leaves_both_alone()
    {
        var row = await JournaledAsync("k", 2);
        await SettleAsync([row with { MayBeJournaled = false, MayBeCached = false }]);
        Assert.Equal(1, (await _cache.ReadAsync("k"))?.Version);
        Assert.Equal(2, (await _journal.ClaimAsync("k")).Row?.Version);
    }

    [Fact]
    public async Task Row_that_lost_to_a_later_version_leaves_the_journal_and_its_copy_goes()
    {
        var row = await JournaledAsync("k", 2);
        await SettleAsync([row], fenced: [new FencedRow("k", StoredVersion: 3, StoredEpoch: row.Epoch + 1)]);
        Assert.Null(await _cache.ReadAsync("k"));
        Assert.Null((await _journal.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Row_that_lost_to_an_equal_version_stays_in_the_journal()
    {
        var row = await JournaledAsync("k", 2);
        await SettleAsync([row], fenced: [new FencedRow("k", StoredVersion: 2, StoredEpoch: row.Epoch + 1)]);
        Assert.Null(await _cache.ReadAsync("k"));
        Assert.Equal(2, (await _journal.ClaimAsync("k")).Row?.Version);
    }

    [Fact]
    public async Task Parked_row_leaves_the_journal_and_is_not_copied()
    {
        var row = await JournaledAsync("k", 2);
        await SettleAsync([row], parked: new() { ["k"] = "refused" });
        Assert.Null(await _cache.ReadAsync("k"));
        Assert.Null((await _journal.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Rows_committed_while_Redis_is_away_are_settled_later_up_to_a_limit()
    {
        var rows = new List<Row>();
        foreach (var key in (string[])["a", "b", "c"]) rows.Add(await JournaledAsync(key, 2));

        _gateway.Isolate("test");
        await SettleAsync(rows);
        await _settlement.FinishAsync(Token);
        _gateway.Close("test");
        Assert.Equal([2, 2, 2], await JournaledVersionsAsync());

        await _settlement.FinishAsync(Token);
        Assert.Equal([null, null, 2], await JournaledVersionsAsync());

        async Task<long?[]> JournaledVersionsAsync()
        {
            var versions = new List<long?>();
            foreach (var row in rows) versions.Add((await _journal.ClaimAsync(row.Key)).Row?.Version);
            return [.. versions];
        }
    }

    [Fact]
    public async Task Postponed_rows_are_settled_with_a_later_batch_but_not_with_each()
    {
        var first = await JournaledAsync("a", 2);
        _gateway.Isolate("test");
        await SettleAsync([first]);
        _gateway.Close("test");

        _clock.Advance(TimeSpan.FromSeconds(1));
        await SettleAsync([await JournaledAsync("b", 2)]);
        Assert.Equal(2, (await _journal.ClaimAsync("a")).Row?.Version);

        _clock.Advance(TimeSpan.FromTicks(1));
        await SettleAsync([await JournaledAsync("c", 2)]);
        Assert.Null((await _journal.ClaimAsync("a")).Row);
    }

    /// <summary>A row in the journal, and a copy of the version before it in the cache.</summary>
    private async Task<Row> JournaledAsync(string key, long version)
    {
        var (owner, _) = await _journal.ClaimAsync(key);
        var row = new Row(key, version, owner.Epoch, Encoding.UTF8.GetBytes("{}"));
        await _cache.FillAsync([row with { Version = version - 1 }]);
        Assert.Equal(AppendOutcome.Journaled, await _journal.AppendAsync(row));
        return row;
    }

    /// <summary>Settles a batch, and returns once it is settled or postponed: the next settlement waits for it.</summary>
    private async Task SettleAsync(IReadOnlyList<Row> rows, FencedRow[]? fenced = null, Dictionary<string, string>? parked = null)
    {
        await _settlement.SettleAsync(rows, fenced ?? [], parked ?? NoneParked, Token);
        await _settlement.SettleAsync([], [], NoneParked, Token);
    }
}
