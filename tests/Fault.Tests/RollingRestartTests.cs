namespace Actors.Fault.Tests;

/// <summary>An operator replaces one silo after the other, and nobody who calls the cluster notices.</summary>
public sealed class RollingRestartTests(ThreeSilos cluster, ITestOutputHelper output) : IClassFixture<ThreeSilos>
{
    [Fact]
    public async Task No_call_fails_while_silo_after_silo_is_replaced()
    {
        var deployment = cluster.Deployment;

        // Without request ids: so no call is repeated by the load itself.
        var trial = new Trial(deployment, output) { HasRequestIds = false };
        await trial.RunAsync(async () =>
        {
            foreach (var silo in deployment.Silos)
                await Faults.Find("silo-stop").RunAsync(deployment, TimeSpan.Zero, silo);
        });
        Assert.True(trial.All.All(load => load.Failed == 0), $"{trial.Describe()}\n{deployment.Describe()}");
    }
}
