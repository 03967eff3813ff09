namespace Actors.Bench.App;

/// <summary>A work of the app's process, directed from here.</summary>
/// <param name="servers">The servers of the case; all its contenders share one app and one silo.</param>
/// <param name="work">The work, as named in <see cref="AppWorks"/>.</param>
/// <param name="silo">The silo it calls.</param>
/// <param name="callers">The number of callers, or null for half of the load's: 256 by default.</param>
internal class AppContender(BenchServers servers, string work, AppSilo silo, int? callers = null) : Contender
{
    private AppCluster? _cluster;
    private AppProcess? _app;

    protected AppCluster Cluster => _cluster!;

    public override async Task PrepareAsync(Load load)
    {
        _cluster = await servers.AppClusterAsync();
        _app = await _cluster.AppAsync();
        await _app.AskAsync(new(AppVerb.Prepare, work));
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var siloCpu = Cluster.CpuOf(silo);
        var run = new AppCommand(AppVerb.Run, work, callers ?? Math.Max(1, load.Callers / 2), load.Duration);
        var turn = (await _app!.AskAsync(run).WaitAsync(cancellationToken)).Turn!;
        siloCpu = Cluster.CpuOf(silo) - siloCpu;
        if (turn.Unexpected > 0) throw new InvalidOperationException($"{work}: {turn.Unexpected} of {turn.Count} answers were not the expected ones.");
        return new Turn(turn.Count, turn.Elapsed, turn.Doubt)
        {
            App = new(turn.Cpu, turn.Bytes, silo == AppSilo.None ? null : siloCpu, turn.P50, turn.P99),
        };
    }

    public override Task VerifyAsync() => _app!.AskAsync(new(AppVerb.Verify, work));

    // The servers end the processes.
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
