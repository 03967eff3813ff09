using Actors.RateLimiting;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Permits that Redis charged ahead are granted one by one, and reported with the next script.</summary>
public sealed class ReserveTests
{
    private const long Now = 1_000_000;

    private readonly GrantLog _grants = new();
    private readonly Reserve _reserve;

    public ReserveTests()
    {
        _grants.Add(Now, 5);
        _reserve = new(_grants);
    }

    [Fact]
    public void Nothing_is_granted_without_a_reserve()
    {
        Assert.False(_reserve.TryGrant(1, Now, out _));
        Assert.Equal((0L, 5L), (_reserve.Left, _reserve.Charged));
        Assert.Null(_reserve.Granted);
        Assert.False(_reserve.IsHoldingBack(Now, longest: 1));
    }

    [Fact]
    public void Reserve_is_granted_until_it_is_used_up()
    {
        _reserve.Open(3, Now + Reserve.Life);
        Assert.Empty(_reserve.Granted!);
        Assert.False(_reserve.TryGrant(4, Now, out _));
        Assert.True(_reserve.TryGrant(2, Now, out var at));
        Assert.Equal((Now + 1, 1L, 8L, 7L), (at, _reserve.Left, _reserve.Charged, _grants.Total));
        Assert.False(_reserve.TryGrant(2, Now, out _));
        Assert.True(_reserve.TryGrant(1, Now + 5 * Reserve.Tick, out _));
        Assert.Equal(0, _reserve.Left);
        Assert.Equal([(Now + 1, 5, 2), (Now + (5 * Reserve.Tick), 7, 1)], _reserve.Granted!);
    }

    [Fact]
    public void Grants_of_one_tick_are_reported_as_one_at_the_later_moment()
    {
        _reserve.Open(10, Now + Reserve.Life);
        for (var i = 1; i <= 4; i++) Assert.True(_reserve.TryGrant(1, Now + i, out _));
        Assert.Equal([(Now + 4, 5, 4)], _reserve.Granted!);
    }

    [Fact]
    public void Reserve_expires()
    {
        _reserve.Open(10, Now + Reserve.Life);
        Assert.True(_reserve.TryGrant(1, Now + Reserve.Life, out _));
        Assert.False(_reserve.TryGrant(1, Now + Reserve.Life + 1, out _));

        // Redis counts it for as long as any grant from it may count.
        Assert.True(_reserve.IsHoldingBack(Now + Reserve.Life + 9, longest: 10));
        Assert.False(_reserve.IsHoldingBack(Now + Reserve.Life + 10, longest: 10));
    }

    [Fact]
    public void Script_reports_a_bounded_number_of_grants()
    {
        _reserve.Open(1000, Now + Reserve.Life);
        var granted = 0;
        while (_reserve.TryGrant(1, Now + (granted * Reserve.Tick), out _)) granted++;
        Assert.Equal(Reserve.MaxNotes, granted);
        Assert.Equal(Reserve.MaxNotes, _reserve.Granted!.Count);
    }

    [Fact]
    public void Closed_reserve_grants_nothing_and_charges_what_was_granted()
    {
        _reserve.Open(10, Now + Reserve.Life);
        Assert.True(_reserve.TryGrant(2, Now, out _));
        _reserve.Close();
        Assert.False(_reserve.TryGrant(1, Now, out _));
        Assert.Equal((0L, 7L), (_reserve.Left, _reserve.Charged));
        Assert.Null(_reserve.Granted);
    }
}
