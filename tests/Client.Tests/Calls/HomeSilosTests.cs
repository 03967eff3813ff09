using System.Net;

namespace Actors.Client.Tests.Calls;

/// <summary>Which silo is the home of a grain.</summary>
public sealed class HomeSilosTests
{
    private static readonly SiloAddress[] Silos = [.. Enumerable.Range(0, 5).Select(number => SiloAddress.New(new(IPAddress.Loopback, 11_111 + number), 17 * number))];

    [Fact]
    public void Grains_are_spread_evenly()
    {
        var homes = Enumerable.Range(0, 50_000).CountBy(number => HomeSilos.IndexOf(Grain(number), Silos)).ToDictionary();
        Assert.Equal(5, homes.Count);
        Assert.All(homes.Values, count => Assert.InRange(count, 9_500, 10_500));
    }

    [Fact]
    public void Only_grains_of_a_silo_that_leaves_get_another_home()
    {
        var left = Silos[..4];
        for (var number = 0; number < 10_000; number++)
        {
            var home = Silos[HomeSilos.IndexOf(Grain(number), Silos)];
            if (!home.Equals(Silos[4])) Assert.Equal(home, left[HomeSilos.IndexOf(Grain(number), left)]);
        }
    }

    [Fact]
    public void Order_of_the_silos_does_not_matter()
    {
        SiloAddress[] reversed = [.. Silos.Reverse()];
        for (var number = 0; number < 1_000; number++)
            Assert.Equal(Silos[HomeSilos.IndexOf(Grain(number), Silos)], reversed[HomeSilos.IndexOf(Grain(number), reversed)]);
    }

    // Apps and silos of different versions must agree.
    [Fact]
    public void Homes_are_the_same_in_every_version() =>
        Assert.Equal("10002131014000124114", string.Concat(Enumerable.Range(0, 20).Select(number => HomeSilos.IndexOf(Grain(number), Silos))));

    private static GrainId Grain(int number) => GrainId.Create("user", $"user-{number}");
}
