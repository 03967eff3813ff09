using Actors.Membership;
using Microsoft.Extensions.Time.Testing;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Nothing that a dead silo owned is changed while it may still answer from memory.</summary>
public sealed class ExpiringLeasesTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly Dictionary<string, MemberStatus> _members = new() { ["a"] = MemberStatus.Active, ["b"] = MemberStatus.Active };
    private readonly ExpiringLeases _leases;

    public ExpiringLeasesTests() => _leases = new ExpiringLeases(() => new Dictionary<string, MemberStatus>(_members), _clock);

    [Fact]
    public void Nothing_is_waited_for_while_no_silo_dies()
    {
        _leases.Look();
        Assert.True(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task After_a_silo_was_declared_dead_a_lease_is_waited_for()
    {
        _leases.Look();
        _members["a"] = MemberStatus.Dead;

        // Also where the loop has not looked yet.
        var waiting = _leases.OverAsync("a");
        _clock.Advance(MembershipLease.Duration);
        Assert.False(waiting.IsCompleted);
        Assert.False(_leases.OverAsync(null).IsCompleted);
        _clock.Advance(ExpiringLeases.Wait - MembershipLease.Duration);
        await waiting.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.True(_leases.OverAsync("a").IsCompleted);
        Assert.True(_leases.OverAsync(null).IsCompleted);
    }

    [Theory]
    [InlineData(MemberStatus.ShuttingDown)]
    [InlineData(MemberStatus.Stopping)]
    public void A_silo_that_stopped_in_good_order_is_not_waited_for(MemberStatus stopping)
    {
        _leases.Look();
        _members["a"] = stopping;
        _leases.Look();
        _members["a"] = MemberStatus.Dead;
        Assert.True(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task What_a_silo_did_not_release_that_died_while_it_stopped_waits_for_its_lease()
    {
        _leases.Look();
        _members["a"] = MemberStatus.ShuttingDown;
        _leases.Look();
        _members["a"] = MemberStatus.Dead;
        var waiting = _leases.OverAsync("a");
        Assert.False(waiting.IsCompleted);
        Assert.True(_leases.OverAsync(null).IsCompleted);
        _clock.Advance(ExpiringLeases.Wait);
        await waiting.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.True(_leases.OverAsync("a").IsCompleted);
    }

    [Fact]
    public void A_silo_that_was_dead_when_this_one_joined_is_not_waited_for()
    {
        _members["a"] = MemberStatus.Dead;
        _leases.Look();
        Assert.True(_leases.OverAsync("a").IsCompleted);
        _members.Remove("a");
        Assert.True(_leases.OverAsync("a").IsCompleted);
    }

    [Fact]
    public void A_silo_that_was_first_seen_dead_is_waited_for()
    {
        _leases.Look();
        _members["c"] = MemberStatus.Dead;
        Assert.False(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task News_of_the_death_of_a_former_owner_is_waited_for_but_not_for_long()
    {
        _leases.Look();
        var first = _leases.OverAsync("a");
        Assert.False(first.IsCompleted);
        _members["a"] = MemberStatus.Dead;
        await StepAsync(first, TimeSpan.FromSeconds(2));
        Assert.False(first.IsCompleted);
        await StepAsync(first, ExpiringLeases.Wait);
        Assert.True(first.IsCompleted);

        var second = _leases.OverAsync("b");
        Assert.False(second.IsCompleted);
        await StepAsync(second, TimeSpan.FromSeconds(2));
        Assert.True(second.IsCompleted);
    }

    private async Task StepAsync(Task waiting, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time && !waiting.IsCompleted; passed += TimeSpan.FromMilliseconds(100))
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.WhenAny(waiting, Task.Delay(5, TestContext.Current.CancellationToken));
        }
    }
}
