using System.Net;
using Actors.Membership;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Which silos count as dead for their calls.</summary>
public sealed class SiloDeathsTests
{
    private readonly SiloDeaths _deaths = new(null!, TimeProvider.System);

    [Fact]
    public void Silo_that_was_alive_and_is_declared_dead_is_reported()
    {
        Told(1, SiloStatus.Joining, SiloStatus.Active, SiloStatus.Dead);
        Assert.Equal(Silo(1).ToParsableString(), Assert.Single(_deaths.Recent).Silo);
    }

    [Fact]
    public void Silo_that_left_or_was_dead_before_it_was_known_is_not_reported()
    {
        Told(1, SiloStatus.Dead);
        Told(2, SiloStatus.Active, SiloStatus.ShuttingDown, SiloStatus.Dead);
        Told(3, SiloStatus.Active, SiloStatus.Stopping, SiloStatus.Dead, SiloStatus.Dead);
        Assert.Empty(_deaths.Recent);
    }

    private void Told(int port, params SiloStatus[] statuses)
    {
        foreach (var status in statuses) _deaths.SiloStatusChangeNotification(Silo(port), status);
    }

    private static SiloAddress Silo(int port) => SiloAddress.New(IPAddress.Loopback, port, generation: 1);
}
