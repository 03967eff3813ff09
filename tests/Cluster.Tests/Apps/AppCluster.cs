using Actors.RateLimiting;

namespace Actors.Cluster.Tests.Apps;

/// <summary>One silo that knows the policies of the apps under test, shared by the tests of a class.</summary>
public sealed class AppCluster(ServersFixture servers) : IAsyncLifetime
{
    /// <summary>Ten permits per ten minutes.</summary>
    public const string Search = "search";

    /// <summary>One permit per <see cref="PatientWindow"/>.</summary>
    public const string Patient = "patient";

    /// <summary>Twenty permits per ten minutes.</summary>
    public const string Address = "address";

    public static readonly TimeSpan PatientWindow = TimeSpan.FromSeconds(4);

    public TestCluster Cluster { get; private set; } = null!;

    public ActorsClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster = await TestCluster.StartAsync(servers, silos: 1, limits: limits =>
        {
            limits.Policies[Search] = Policy(10, TimeSpan.FromMinutes(10));
            limits.Policies[Address] = Policy(20, TimeSpan.FromMinutes(10));
            limits.Policies[Patient] = Policy(1, PatientWindow);
        });
        Client = new(Cluster.Silos.Client);
    }

    public async ValueTask DisposeAsync() => await Cluster.DisposeAsync();

    private static RateLimitOptions.PolicyOptions Policy(int limit, TimeSpan duration) =>
        new() { Windows = { new() { Limit = limit, Duration = duration } } };
}
