using Actors.Membership;
using Microsoft.Extensions.Time.Testing;
using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Users of a dead silo are not changed while it may still answer from memory.</summary>
public sealed class ExpiringLeasesTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly Dictionary<string, MemberStatus> _members = new() { ["a"] = MemberStatus.Active, ["b"] = MemberStatus.Active };
    private readonly ExpiringLeases _leases;

    public ExpiringLeasesTests() => _leases = new ExpiringLeases(() => new Dictionary<string, MemberStatus>(_members), _clock);

    [Fact]
    public void No_lease_delays_a_claim_while_no_silo_dies()
    {
        _leases.Look();
        Assert.True(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task Claim_waits_for_a_lease_after_a_silo_was_declared_dead()
    {
        _leases.Look();
        _members["a"] = MemberStatus.Dead;

        // Even before the loop has checked.
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
    public void Claim_does_not_wait_for_a_silo_that_stopped_gracefully(MemberStatus stopping)
    {
        _leases.Look();
        _members["a"] = stopping;
        _leases.Look();
        _members["a"] = MemberStatus.Dead;
        Assert.True(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task Claim_waits_for_the_lease_of_a_silo_that_died_while_stopping()
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
    public void Claim_does_not_wait_for_a_silo_that_died_before_this_one_joined()
    {
        _members["a"] = MemberStatus.Dead;
        _leases.Look();
        Assert.True(_leases.OverAsync("a").IsCompleted);
        _members.Remove("a");
        Assert.True(_leases.OverAsync("a").IsCompleted);
    }

    [Fact]
    public void Claim_waits_for_a_silo_that_was_first_seen_dead()
    {
        _leases.Look();
        _members["c"] = MemberStatus.Dead;
        Assert.False(_leases.OverAsync(null).IsCompleted);
    }

    [Fact]
    public async Task Claim_waits_a_bounded_time_for_news_of_a_former_owner()
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
