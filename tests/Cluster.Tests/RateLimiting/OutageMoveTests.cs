using Actors.Fixtures;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Limiters that move while their silos are partitioned from Redis: their grants move with them.</summary>
public sealed class OutageMoveTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private TestCluster _cluster = null!;
    private IRateLimiterGrain _limiter = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync(servers, silos: 2);
        _limiter = _cluster.Limiter(AnyClient());
        await _limiter.SetPolicyAsync(new() { Name = "p", Windows = [Per(5, Hour)] });
        await _limiter.SetPolicyAsync(new() { Name = "q", Windows = [Per(3, Hour), Per(2, TimeSpan.FromMinutes(30))] });
        await _limiter.PeekAsync("p");
    }

    public async ValueTask DisposeAsync() => await _cluster.DisposeAsync();

    [Theory]
    [InlineData("migrate")]
    [InlineData("migrate", "migrate")]
    [InlineData("deactivate")]
    [InlineData("deactivate", "migrate", "deactivate")]
    public async Task Grants_of_an_outage_count_after_a_move_even_without_calls(params string[] moves)
    {
        await _cluster.IsolateAsync(true);
        for (var i = 0; i < 3; i++) Assert.True((await AcquireAsync($"p{i}")).IsAllowed);
        Assert.True((await AcquireAsync("q0", "q")).IsAllowed);
        foreach (var move in moves) await MoveAsync(move);

        // No more calls until another activation has to know the grants.
        await _cluster.IsolateAsync(false);
        await AllIsWrittenAsync();
        await DeactivateAsync();
        await AssertLeftAsync(source: RateLimitSource.Redis);
    }

    [Theory]
    [InlineData("migrate")]
    [InlineData("deactivate")]
    public async Task Next_activation_keeps_the_budget_during_an_outage(string move)
    {
        // Some grants are in Redis, where the next activation cannot read them, and some are not.
        Assert.True((await AcquireAsync("p0")).IsAllowed);
        Assert.True((await AcquireAsync("q0", "q")).IsAllowed);
        await _cluster.IsolateAsync(true);
        for (var i = 1; i < 3; i++) Assert.True((await AcquireAsync($"p{i}")).IsAllowed);
        await MoveAsync(move);
        await AssertLeftAsync(source: RateLimitSource.Local);
        await _cluster.IsolateAsync(false);
        await AllIsWrittenAsync();
        Assert.False((await _limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        Assert.False((await _limiter.AcquireAsync(new() { Policy = "q" })).IsAllowed);
    }

    [Fact]
    public async Task Grants_of_an_outage_are_handed_to_another_silo_on_stop()
    {
        await _cluster.IsolateAsync(true);
        for (var i = 0; i < 3; i++) Assert.True((await AcquireAsync($"p{i}")).IsAllowed);
        Assert.True((await AcquireAsync("q0", "q")).IsAllowed);
        var silo = await _cluster.SiloOfAsync(_limiter);
        await _cluster.Silos.StopSiloAsync(_cluster.Silos.Silos.Single(each => each.SiloAddress.Equals(silo)));
        await AssertLeftAsync(source: RateLimitSource.Local);
    }

    private async Task AssertLeftAsync(RateLimitSource source)
    {
        var more = new List<RateLimitDecision>();
        for (var i = 0; i < 4; i++) more.Add(await _limiter.AcquireAsync(new() { Policy = "p" }));
        Assert.Equal([true, true, false, false], more.Select(each => each.IsAllowed));
        Assert.All(more, each => Assert.Equal(source, each.Source));
        Assert.True((await _limiter.AcquireAsync(new() { Policy = "q" })).IsAllowed);
        Assert.False((await _limiter.AcquireAsync(new() { Policy = "q" })).IsAllowed);

        // Requests with an id are granted again without a charge; no permit is left.
        for (var i = 0; i < 3; i++) Assert.True((await AcquireAsync($"p{i}")).IsAllowed);
        Assert.True((await AcquireAsync("q0", "q")).IsAllowed);
    }

    private Task<RateLimitDecision> AcquireAsync(string requestId, string policy = "p") =>
        _limiter.AcquireAsync(new() { Policy = policy, RequestId = requestId });

    private Task MoveAsync(string move) => move == "migrate" ? _cluster.MigrateAsync(_limiter) : DeactivateAsync();

    private async Task DeactivateAsync()
    {
        await _limiter.Cast<Orleans.Core.Internal.IGrainManagementExtension>().DeactivateOnIdle();
        await Task.Delay(TimeSpan.FromSeconds(1.5));
    }

    private Task AllIsWrittenAsync() => Eventually.IsTrueAsync(async () =>
        (await _cluster.Cluster.GetStatusAsync()).Silos.All(silo => silo.RateLimits.Unsynced == 0));
}
