using System.Diagnostics;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>The cluster stays one whole cluster, whatever happens to the membership table in Redis.</summary>
public sealed class MembershipTests(ThreeSilos cluster, ITestOutputHelper output) : IClassFixture<ThreeSilos>
{
    private Deployment Deployment => cluster.Deployment;

    [Fact]
    public async Task Emptied_table_is_restored_and_a_new_silo_joins()
    {
        var silos = await cluster.StartedAsync();
        var version = await MembershipTable.VersionAsync(Deployment);

        await MembershipTable.EmptyAsync(Deployment);
        await RestoredAsync();
        Assert.True(await MembershipTable.VersionAsync(Deployment) > version);
        await Deployment.AssertIsOneClusterAsync(silos);

        await MembershipTable.EmptyAsync(Deployment);
        var fourth = await Deployment.AddSiloAsync();
        await Deployment.AssertIsOneClusterAsync([.. silos, fourth]);
        await fourth.StopAsync();
        await Deployment.AssertIsOneClusterAsync(silos);
    }

    [Fact]
    public async Task Cluster_survives_a_Redis_without_data_and_a_waiting_silo_joins()
    {
        var silos = await cluster.StartedAsync();
        await Deployment.Redis.KillAsync();
        Deployment.Redis.DeleteData();

        // Longer than heartbeats may be missing: every silo looks dead when Redis is back.
        var joining = Deployment.AddSiloAsync();
        await Task.Delay(TimeSpan.FromSeconds(17));
        Assert.False(joining.IsCompleted);

        await Deployment.Redis.StartAsync();
        await RestoredAsync();
        var fourth = await joining;
        Assert.Contains("The silo starts as soon as it answers", fourth.Output, StringComparison.Ordinal);
        await Deployment.AssertIsOneClusterAsync([.. silos, fourth]);
        await fourth.StopAsync();
        await Deployment.AssertIsOneClusterAsync(silos);
    }

    [Fact]
    public async Task Table_recreated_by_a_client_or_without_a_silo_is_repaired()
    {
        var silos = await cluster.StartedAsync();
        await MembershipTable.EmptyAsync(Deployment);
        await MembershipTable.MakeAsClientDoesAsync(Deployment);
        await RestoredAsync();

        await MembershipTable.RemoveAsync(Deployment, (await MembershipTable.ActiveAsync(Deployment))[0]);
        await RestoredAsync();

        // Each silo reads the table in that time; a silo without its row would stop.
        await Task.Delay(TimeSpan.FromSeconds(12));
        await Deployment.AssertIsOneClusterAsync(silos);
    }

    [Fact]
    public async Task Suspected_silo_that_answers_again_after_a_Redis_outage_is_not_declared_dead()
    {
        var silos = await cluster.StartedAsync();
        await Deployment.Redis.KillAsync();
        silos[2].Signal(Signals.Stop);

        // Orleans suspects a silo only after 9 s without a heartbeat.
        await Task.Delay(TimeSpan.FromSeconds(25));
        silos[2].Signal(Signals.Continue);
        await Task.Delay(TimeSpan.FromSeconds(5));
        await Deployment.Redis.StartAsync();

        // At this time the queued votes are cast.
        await Eventually.IsTrueAsync(
            () => Task.FromResult(silos[..2].All(silo => silo.Output.Contains("are dropped because it answers", StringComparison.Ordinal))),
            TimeSpan.FromMinutes(3));
        await Deployment.AssertIsOneClusterAsync(silos);
    }

    // SilosComeAndGoTests covers other ports.
    [Fact]
    public async Task Cluster_serves_again_after_a_restart_of_all_killed_silos_on_the_same_ports()
    {
        var ports = Enumerable.Range(0, 3).Select(_ => FreePorts.Next(2)).ToList();
        await using var deployment = await Deployment.StartAsync(silos: 0);
        var first = await StartAsync(ports);
        await deployment.AssertIsOneClusterAsync(first);

        await Task.WhenAll(first.Select(silo => silo.KillAsync()));
        var watch = Stopwatch.StartNew();
        var second = await StartAsync(ports);
        output.WriteLine($"Ready {watch.Elapsed.TotalSeconds:0.0} s after a crash of all");
        await deployment.AssertIsOneClusterAsync(second);
        output.WriteLine($"One cluster {watch.Elapsed.TotalSeconds:0.0} s after it");

        async Task<SiloProcess[]> StartAsync(List<int[]> ports) => await Task.WhenAll(ports.Select(pair =>
            deployment.AddSiloAsync("--Actors:SiloPort", $"{pair[0]}", "--Actors:GatewayPort", $"{pair[1]}")));
    }

    private async Task RestoredAsync()
    {
        var watch = Stopwatch.StartNew();
        await Eventually.IsTrueAsync(async () => (await MembershipTable.ActiveAsync(Deployment)).Count >= 3);
        output.WriteLine($"The table was whole again after {watch.Elapsed.TotalSeconds:0.0} s");
    }
}
