using Actors.Fixtures;

namespace Actors.Cluster.Tests;

/// <summary>Users of a silo whose database is down, up to the ceiling of unflushed bytes. Uses its own servers.</summary>
public sealed class CeilingTests : IAsyncLifetime
{
    private const int Users = 300;
    private const long Ceiling = 1 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // This many of these exceed the ceiling; half of them fit.
    private static readonly UserPatch Large = new() { Attributes = new() { ["large"] = new string('x', 4000) } };

    private readonly ServersFixture _servers = new();
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        await _servers.InitializeAsync();
        _cluster = await TestCluster.StartAsync(_servers, silos: 1, options => options.MaxUnflushedBytes = Ceiling);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _servers.DisposeAsync();
    }

    [Fact]
    public async Task Write_beyond_the_ceiling_is_rejected_without_effect_and_the_rest_is_flushed()
    {
        await Task.WhenAll(Enumerable.Range(0, Users).Select(i => User(i).UpdateAsync(new() { DisplayName = "before" })));
        await Task.WhenAll(Enumerable.Range(0, Users).Select(i => User(i).FlushAsync()));
        await _servers.Postgres.StopAsync();

        var first = await User(0).UpdateAsync(Large, new() { RequestId = "r" });
        var receipts = await Task.WhenAll(Enumerable.Range(0, Users).Select(TryAsync));
        Assert.InRange(receipts.Count(receipt => receipt is null), 1, Users - 1);
        Assert.All(receipts.OfType<WriteReceipt>(), receipt => Assert.Equal(Durability.Journal, receipt.Durability));

        var status = await StatusAsync();
        Assert.Equal((WriteBehindState.Refusing, Ceiling), (status.State, status.MaxUnflushedBytes));
        Assert.InRange(status.UnflushedBytes, Ceiling * 7 / 8, Ceiling);
        Assert.Equal(receipts.Count(receipt => receipt is null), status.RefusedWrites);
        Assert.True(status.SlowedWrites > 0);
        Assert.True(status.FlushFailures > 0);
        Assert.NotNull(status.LastFlushError);

        // Rejected writes changed nothing, and accepted writes are still known.
        for (var i = 0; i < Users; i++)
        {
            var user = (await User(i).GetAsync())!;
            Assert.Equal((receipts[i]?.Version ?? (i == 0 ? first.Version : 1), receipts[i] is not null || i == 0),
                (user.Version, user.Attributes.ContainsKey("large")));
        }

        Assert.Equal(first, await User(0).UpdateAsync(Large, new() { RequestId = "r" }));
        var refused = await Assert.ThrowsAsync<OverloadedException>(() => FillAsync());
        Assert.InRange(refused.RetryAfter, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5));

        await _servers.Postgres.StartAsync();
        await Eventually.IsTrueAsync(async () => (await StatusAsync()) is { UnflushedRows: 0, State: WriteBehindState.Buffering }, Limit);
        Assert.Equal(0, (await StatusAsync()).UnflushedBytes);
        for (var i = 0; i < Users; i++)
            Assert.Equal((await User(i).GetAsync())!.Version, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = $1", $"user-{i}"));
        Assert.Equal(Durability.Database, (await User(1).UpdateAsync(Large, new() { Durability = Durability.Database })).Durability);
    }

    private IUserGrain User(int i) => _cluster.User($"user-{i}");

    private async Task<WriteBehindStatus> StatusAsync() => (await _cluster.Cluster.GetStatusAsync()).Silos[0].WriteBehind;

    private async Task<WriteReceipt?> TryAsync(int i)
    {
        try
        {
            return await User(i).UpdateAsync(Large);
        }
        catch (OverloadedException)
        {
            return null;
        }
    }

    private async Task FillAsync()
    {
        for (var i = 0; i < Users; i++) await User(i).UpdateAsync(Large);
    }
}
