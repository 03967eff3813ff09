using System.Text.Json;

namespace Actors.Fault.Tests;

/// <summary>Redis comes back without its data, and the membership table is lost.</summary>
public sealed class EmptyRedisTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Cluster_survives_an_emptied_Redis_without_a_split_or_loss()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2);
        await new Trial(deployment, output).RunAsync(async () =>
        {
            await Faults.Find("redis-restart-empty").RunAsync(deployment, TimeSpan.FromSeconds(3));
            await deployment.HealAsync(output.WriteLine);
            await deployment.SettleAsync();
            await Faults.Find("redis-empty").RunAsync(deployment, TimeSpan.FromSeconds(1));
        });

        // A later silo joins the two instead of forming a second cluster.
        await deployment.AddSiloAsync();
        await deployment.HealAsync(output.WriteLine);
        var status = await deployment.CliAsync("cluster", "status", "--json");
        Assert.Equal(3, JsonDocument.Parse(status.Output).RootElement.GetProperty("silos").GetArrayLength());
    }
}
