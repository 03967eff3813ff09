using System.Text.Json;

namespace Actors.Fault.Tests;

/// <summary>Redis comes back without its data, and with them the table of members is gone.</summary>
public sealed class EmptyRedisTests(EmptyRedisTests.Shared shared, ITestOutputHelper output) : IClassFixture<EmptyRedisTests.Shared>
{
    [Theory]
    [InlineData("redis-restart-empty")]
    [InlineData("redis-empty")]
    public async Task The_cluster_stays_one_and_loses_nothing(string fault)
    {
        var deployment = shared.Deployment;
        await new Trial(deployment, output).RunAsync(
            () => Faults.Find(fault).RunAsync(deployment, TimeSpan.FromSeconds(3)));

        // A silo that comes later joins the two, rather than beginning a second cluster.
        var third = await deployment.AddPlaceAsync();
        await deployment.HealAsync(output.WriteLine);
        var status = await deployment.CliAsync("cluster", "status", "--json");
        Assert.Equal(3, JsonDocument.Parse(status.Output).RootElement.GetProperty("silos").GetArrayLength());
        await deployment.RemoveSiloAsync(third);
        await deployment.HealAsync(output.WriteLine);
    }

    public sealed class Shared : IAsyncLifetime
    {
        public Deployment Deployment { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Deployment = await Deployment.StartAsync(silos: 2);

        public ValueTask DisposeAsync() => Deployment.DisposeAsync();
    }
}
