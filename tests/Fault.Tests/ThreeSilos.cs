using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>A cluster of three silos that several tests share in turn: each must leave it unchanged.</summary>
public sealed class ThreeSilos : IAsyncLifetime
{
    public Deployment Deployment { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Deployment = await Deployment.StartAsync(silos: 3);

    public ValueTask DisposeAsync() => Deployment.DisposeAsync();

    /// <summary>Returns its silos once they are one cluster.</summary>
    public async Task<SiloProcess[]> StartedAsync()
    {
        SiloProcess[] silos = [.. Enumerable.Range(0, 3).Select(Deployment.Silo)];
        await Deployment.AssertIsOneClusterAsync(silos);
        return silos;
    }
}
