using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;

namespace Actors.Bench.App.Works;

/// <summary>
/// The floor: empty calls to 10,000 grains by Orleans' own client, without ours. The grain cannot be in the production silo, so
/// <see cref="FloorSilo"/> hosts it in a process beside it, which is idle otherwise.
/// </summary>
internal sealed class EmptyCalls(AppSettings settings) : AppWork<int>
{
    private const int Grains = 10_000;

    private IHost? _host;
    private IEmptyGrain[] _grains = [];

    public override async Task PrepareAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        AppClient.ToStandardError(builder.Logging);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(new IPEndPoint(IPAddress.Loopback, settings.FloorPort));
            client.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (FloorSilo.Cluster, FloorSilo.Cluster));
        });
        _host = builder.Build();
        await _host.StartAsync();
        var cluster = _host.Services.GetRequiredService<IClusterClient>();
        _grains = [.. Enumerable.Range(0, Grains).Select(i => cluster.GetGrain<IEmptyGrain>(i))];
        await Callers.EachAsync(64, Grains, i => _grains[i].CallAsync(0));
    }

    public override ValueTask<int> CallAsync(Random random) => new(_grains[random.Next(Grains)].CallAsync(1));

    public override bool IsExpected(int answer) => answer == 1;

    public override async ValueTask DisposeAsync()
    {
        if (_host is null) return;
        await _host.StopAsync();
        _host.Dispose();
    }
}
