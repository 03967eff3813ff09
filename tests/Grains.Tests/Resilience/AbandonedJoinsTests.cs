using System.Net;
using Actors.Membership;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

public sealed class AbandonedJoinsTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
    private static readonly SiloAddress Silo = SiloAddress.New(new IPEndPoint(IPAddress.Loopback, 1000), 1);

    private readonly FakeTimeProvider _clock = new();
    private readonly AbandonedJoins _joins;

    public AbandonedJoinsTests() => _joins = new AbandonedJoins(Longest, _clock);

    [Theory]
    [InlineData(SiloStatus.Created)]
    [InlineData(SiloStatus.Joining)]
    public void Silo_that_exceeds_the_join_limit_has_abandoned_its_join(SiloStatus status)
    {
        Assert.Empty(_joins.Look([(Silo, status)]));
        _clock.Advance(Longest - TimeSpan.FromMilliseconds(1));
        Assert.Empty(_joins.Look([(Silo, status)]));
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal([Silo], _joins.Look([(Silo, status)]));
    }

    [Theory]
    [InlineData(SiloStatus.Active)]
    [InlineData(SiloStatus.Dead)]
    public void Joined_or_departed_silo_has_not_abandoned_its_join(SiloStatus status)
    {
        Assert.Empty(_joins.Look([(Silo, SiloStatus.Joining)]));
        _clock.Advance(Longest);
        Assert.Empty(_joins.Look([(Silo, status)]));

        // A silo that joins again starts over.
        Assert.Empty(_joins.Look([(Silo, SiloStatus.Joining)]));
    }
}
