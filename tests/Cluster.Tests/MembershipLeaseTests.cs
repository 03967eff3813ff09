using Actors.Fixtures;
using Actors.Membership;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Cluster.Tests;

/// <summary>
/// A silo that was paused answers nothing from memory before it has renewed its membership lease. The lease follows a clock
/// of the test, and the test supplies the membership.
/// </summary>
public sealed class MembershipLeaseTests(ServersFixture servers) : IClassFixture<ServersFixture>, IAsyncLifetime
{
    private const string Policy = "lease-tests";

    private readonly FakeTimeProvider _clock = new();
    private volatile int _standing = (int)Standing.Member;
    private int _asked;

    // Replaced as a whole by the test, read by the silo.
    private volatile Dictionary<string, SiloStatus> _members = new() { ["other"] = SiloStatus.Active };
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync(
            servers,
            silos: 1,
            limits: limits => limits.Policies[Policy] = new() { Windows = { new() { Limit = 3, Duration = TimeSpan.FromMinutes(10) } } },
            services: services =>
            {
                services.AddSingleton(new MembershipLease(_clock, AskAsync));
                services.AddSingleton(new ExpiringLeases(() => _members, _clock));
            });
        await _cluster.User("known").UpdateAsync(new() { DisplayName = "x" }, new() { RequestId = "first" });
        await _cluster.User("deleted").UpdateAsync(new() { DisplayName = "x" });
        await _cluster.User("deleted").DeleteAsync();
        for (var i = 0; i < 4; i++) await _cluster.Limiter("full").AcquireAsync(new() { Policy = Policy });
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Calls_do_not_renew_a_valid_lease_and_renew_it_once_after_a_pause()
    {
        await Task.Delay(TimeSpan.FromSeconds(1.5), TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromSeconds(28));
        var reads = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => _cluster.User("known").GetAsync()));
        Assert.All(reads, user => Assert.False(user!.IsPossiblyStale));
        var asked = Volatile.Read(ref _asked);
        for (var i = 0; i < 500; i++) await _cluster.User("known").GetAsync();

        // The loop renews once a second.
        Assert.InRange(Volatile.Read(ref _asked), asked, asked + 20);
    }

    [Fact]
    public async Task Evicted_silo_answers_no_call_and_takes_over_no_user()
    {
        Pause(Standing.Evicted);
        var known = _cluster.User("known");
        await AssertEvictedAsync(() => known.GetAsync());
        await AssertEvictedAsync(() => known.UpdateAsync(new() { DisplayName = "y" }));
        await AssertEvictedAsync(() => known.UpdateAsync(new() { DisplayName = "x" }, new() { RequestId = "first" }));
        await AssertEvictedAsync(() => known.UpdateAsync(new() { DisplayName = "y" }, new() { ExpectedVersion = 7 }));
        await AssertEvictedAsync(() => known.UpdateAsync(new() { DisplayName = "y" }, new() { Durability = Durability.Memory }));
        await AssertEvictedAsync(() => known.WaitForAsync(7, Durability.Journal));
        await AssertEvictedAsync(() => known.FlushAsync());
        await AssertEvictedAsync(() => _cluster.User("deleted").DeleteAsync());
        await AssertEvictedAsync(() => _cluster.User("deleted").GetAsync());

        await AssertEvictedAsync(() => _cluster.User("new").GetAsync());
        await AssertEvictedAsync(() => _cluster.User("new").UpdateAsync(new() { DisplayName = "y" }));
        Assert.False(await _cluster.IsOwnedAsync("new"));

        var limiter = _cluster.Limiter("full");
        await AssertEvictedAsync(() => limiter.AcquireAsync(new() { Policy = Policy }));
        await AssertEvictedAsync(() => limiter.AcquireManyAsync([new() { Policy = Policy }]));
        await AssertEvictedAsync(() => limiter.PeekAsync(Policy));
        await AssertEvictedAsync(() => limiter.RefundAsync("none"));
        await AssertEvictedAsync(() => limiter.ResetAsync(Policy));
        await AssertEvictedAsync(() => limiter.GetPolicyAsync(Policy));
        await AssertEvictedAsync(() => limiter.RemovePolicyAsync(Policy));
        await AssertEvictedAsync(() => limiter.SetPolicyAsync(new() { Name = Policy, Windows = [new(1, TimeSpan.FromHours(1))] }));
    }

    [Fact]
    public async Task Silo_of_unknown_membership_marks_users_as_possibly_stale()
    {
        Pause(Standing.Unknown);
        Assert.True((await _cluster.User("known").GetAsync())!.IsPossiblyStale);
        await Assert.ThrowsAsync<StorageUnavailableException>(() => _cluster.User("deleted").GetAsync());

        // It also rejects calls whose result rests on memory and cannot be marked as stale.
        await Assert.ThrowsAsync<StorageUnavailableException>(
            () => _cluster.User("known").UpdateAsync(new() { DisplayName = "y" }, new() { ExpectedVersion = 7 }));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => _cluster.User("known").WaitForAsync(7, Durability.Journal));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => _cluster.User("deleted").DeleteAsync());

        // The journal knows the owner, and Redis decides limits.
        var written = await _cluster.User("known").UpdateAsync(new() { DisplayName = "y" });
        Assert.Equal(Durability.Journal, written.Durability);
        Assert.False((await _cluster.Limiter("full").AcquireAsync(new() { Policy = Policy })).IsAllowed);

        Pause(Standing.Member);
        await Eventually.IsTrueAsync(async () => (await _cluster.User("known").GetAsync()) is { IsPossiblyStale: false });
        Assert.Null(await _cluster.User("deleted").GetAsync());
    }

    [Fact]
    public async Task User_of_a_dead_silo_is_read_at_once_and_written_after_the_lease()
    {
        _members = new() { ["other"] = SiloStatus.Dead };
        var user = _cluster.User("taken-over");
        Assert.Null(await user.GetAsync());
        var writing = user.UpdateAsync(new() { DisplayName = "x" });
        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        Assert.False(writing.IsCompleted);
        Assert.Null(await user.GetAsync());

        // Users that this silo already owned are written as usual.
        await _cluster.User("known").UpdateAsync(new() { DisplayName = "y" });
        _clock.Advance(ExpiringLeases.Wait);
        Assert.Equal(1, (await writing.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Version);
    }

    private static Task AssertEvictedAsync(Func<Task> call) => Assert.ThrowsAsync<SiloEvictedException>(call);

    private void Pause(Standing standing)
    {
        _standing = (int)standing;
        _clock.Advance(TimeSpan.FromSeconds(28));
    }

    private Task<Standing> AskAsync(bool isValid)
    {
        Interlocked.Increment(ref _asked);
        return Task.FromResult((Standing)_standing);
    }
}
